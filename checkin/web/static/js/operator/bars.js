// Bars by hour, stacked by gate: each gate has a pattern and a name as well as a colour. The same as a table below.

import { say } from "../messages.js";
import { hourText, share } from "./hours.js";

const SVG = "http://www.w3.org/2000/svg";
const TOP = 22; // room for the numbers above the bars, and for the hours below them
const BOTTOM = 24;
const GAP = 0.22; // of an hour's width
// One tile of 8 × 8 a gate: nothing, stripes, dots, lines, a lattice, steps.
const MARKS = ["", "M-2 10 10 -2M-2 2 2 -2M6 10 10 6", "M2 2h0M6 6h0", "M0 4H8", "M0 4H8M4 0V8", "M0 2H4V6H8"];
const $ = (id) => document.getElementById(id);

export function shape(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** A part's name in words. */
export const partName = ({ label, kind }) => (kind === "gate" ? label : say(kind === "others" ? "other_gates" : "apart"));

/** The hours as bars and as a table, and a legend. */
export function drawHours(hours, parts) {
  const looks = parts.map(({ kind }, place) => (kind === "gate" ? `url(#gate-${place})` : `url(#gate-${kind})`));
  const svg = $("bars");
  const size = { width: svg.clientWidth || 320, height: svg.clientHeight || 200 };
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  svg.replaceChildren(tiles(parts), ...bars(hours, parts, looks, size));
  svg.setAttribute("aria-label", inWords(hours, parts));
  $("legend").replaceChildren(...parts.map((part, place) => legendItem(part, looks[place])));
  fillTable(hours, parts);
}

function tiles(parts) {
  const definitions = shape("defs", {});
  const kinds = [...parts.map((part, place) => (part.kind === "gate" ? place : null)), "others", "apart"];
  for (const kind of kinds.filter((kind) => kind !== null)) {
    const tile = shape("pattern", { id: `gate-${kind}`, width: 8, height: 8, patternUnits: "userSpaceOnUse" });
    tile.append(shape("rect", { width: 8, height: 8, class: `tone tone-${kind}` }));
    if (MARKS[kind]) tile.append(shape("path", { d: MARKS[kind], class: "mark" }));
    if (kind === "apart") tile.append(shape("path", { d: MARKS[1], class: "mark faint" }));
    definitions.append(tile);
  }
  return definitions;
}

function bars(hours, parts, looks, { width, height }) {
  const most = Math.max(...hours.map(({ total }) => total), 1);
  const [step, ground] = [width / hours.length, height - BOTTOM];
  const drawn = hours.flatMap((hour, place) => {
    const [x, last] = [place * step, place === hours.length - 1];
    const middle = { x: x + step / 2, "text-anchor": "middle" };
    const wide = { x: x + (step * GAP) / 2, width: step * (1 - GAP) };
    let y = ground;
    const stack = parts.flatMap((part, index) => {
      const count = share(hour, part);
      if (!count) return [];
      const tall = (count / most) * (ground - TOP);
      y -= tall;
      const piece = shape("rect", { ...wide, y, height: tall, fill: looks[index], class: `piece ${part.kind}` });
      piece.append(shape("title", {}, `${hourText(hour.label)} · ${partName(part)}: ${count}`));
      return [piece];
    });
    const label = shape("text", { ...middle, y: height - 7, class: last ? "hour now" : "hour" }, hour.label);
    const number = hour.total ? [shape("text", { ...middle, y: y - 6, class: "count" }, hour.total)] : [];
    return [...stack, ...number, label];
  });
  const now = shape("rect", { x: width - step, y: ground + 1, width: step, height: 3, class: "present" });
  const middle = { x: width / 2, y: ground / 2, "text-anchor": "middle" };
  const empty = hours.some(({ total }) => total) ? [] : [shape("text", middle, say("nothing_in_hours"))];
  return [...drawn, ...empty, shape("path", { d: `M0 ${ground + 0.5}H${width}`, class: "ground" }), now];
}

function inWords(hours, parts) {
  const busy = hours.filter(({ total }) => total > 0).map((hour) => {
    const split = parts.map((part) => [partName(part), share(hour, part)]).filter(([, count]) => count > 0);
    const gates = split.map(([name, count]) => `${name} ${count}`).join(", ");
    return say("hour_gates", { hour: hourText(hour.label), count: hour.total, gates });
  });
  return say("bars_label", { list: busy.join("; ") || say("nothing_yet") });
}

function legendItem(part, look) {
  const item = document.createElement("li");
  const swatch = shape("svg", { "aria-hidden": "true", class: "swatch", viewBox: "0 0 24 24" });
  swatch.append(shape("rect", { width: 24, height: 24, fill: look, class: `piece ${part.kind}` }));
  item.append(swatch, `${partName(part)} `);
  const count = document.createElement("strong");
  count.textContent = part.count;
  item.append(count);
  return item;
}

function fillTable(hours, parts) {
  const head = [say("hour"), ...parts.map(partName), say("all_gates")];
  $("hours-head").replaceChildren(...head.map((text, place) => cell("th", text, place > 0, "col")));
  const rows = [...hours].reverse().map((hour) => {
    const row = document.createElement("tr");
    const counts = parts.map((part) => share(hour, part));
    const title = hourText(hour.label);
    row.append(cell("th", title, false, "row"), ...[...counts, hour.total].map((count) => cell("td", count, true)));
    return row;
  });
  $("hours").replaceChildren(...rows);
}

export function cell(name, text, number, scope) {
  const element = document.createElement(name);
  element.textContent = text;
  if (number) element.className = "number";
  if (scope) element.scope = scope;
  return element;
}
