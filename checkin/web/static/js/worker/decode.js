// Reads QR codes off the main thread, so that a hard frame never holds up the page. One frame in, its texts out.

import { prepareZXingModule, readBarcodes } from "../../vendor/zxing/reader/index.js";

prepareZXingModule({
  // The library would ask a public network for it; the copy here is of its own version.
  overrides: { locateFile: () => new URL("../../vendor/zxing/zxing_reader.wasm", import.meta.url).href },
  fireImmediately: true,
});

// A QR code is found at any angle without trying rotations. Most frames are read at once; the second try, for dim,
// noisy or distant ones, reads 9 more of 120 (docs/benchmarks.md).
const QUICK = {
  formats: ["QRCode"],
  maxNumberOfSymbols: 4, // two people, and a poster
  textMode: "Plain",
  tryHarder: false,
  tryRotate: false,
  tryInvert: false,
  tryDownscale: false,
};
const PATIENT = { ...QUICK, tryHarder: true, tryDownscale: true, tryDenoise: true };

self.addEventListener("message", async ({ data: { id, image } }) => {
  let found = await readBarcodes(image, QUICK).catch(() => []);
  if (!found.length) found = await readBarcodes(image, PATIENT).catch(() => []);
  self.postMessage({ id, texts: found.map((code) => code.text) });
});
