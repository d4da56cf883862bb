// A QR code as one SVG path: black on white whatever the page's colours, level L, quiet zone of 4 modules.

import encodeQR from "../vendor/qr.js";

const SVG = "http://www.w3.org/2000/svg";
const QUIET = 4;

/** Draws `text` into an <svg>; `label` is what is spoken instead. */
export function drawCode(svg, text, label) {
  // A fixed mask saves seven of eight tries; readers take any.
  const rows = encodeQR(text, "raw", { ecc: "low", border: QUIET, mask: 2 });
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", rows.map(outline).join(""));
  svg.setAttribute("viewBox", `0 0 ${rows.length} ${rows.length}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  svg.replaceChildren(path);
}

/** The dark runs of one row as rectangles. */
function outline(row, y) {
  let path = "";
  for (let x = 0; x < row.length; x += 1) {
    let end = x;
    while (row[end]) end += 1;
    if (end > x) path += `M${x} ${y}h${end - x}v1h${x - end}z`;
    x = end;
  }
  return path;
}
