// A picture's QR codes, by zxing-wasm in a worker.

import { Refusal } from "./errors.js";

export class Decoder {
  constructor() {
    this.worker = new Worker(new URL("worker/decode.js", import.meta.url), { type: "module" });
    this.waiting = new Map();
    this.count = 0;
    this.worker.addEventListener("message", ({ data: { id, texts } }) => {
      this.waiting.get(id)?.(texts);
      this.waiting.delete(id);
    });
  }

  /**
   * The texts in a picture, none when there is no code. The picture's memory goes with it to the worker.
   * @param {ImageData} image
   * @returns {Promise<string[]>}
   */
  read(image) {
    this.count += 1;
    const id = this.count;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.worker.postMessage({ id, image }, [image.data.buffer]);
    });
  }
}

const LARGEST = 2000; // pixels a side; a phone's photograph has more than a reader needs

/** The pixels of anything that can be drawn, made smaller where needed. */
export function pixelsOf(source, width, height, canvas = new OffscreenCanvas(1, 1)) {
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** The text of the first code in a picture file; picture_unreadable. */
export async function readPicture(file) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Refusal("picture_unreadable");
  });
  const decoder = new Decoder();
  const [text] = await decoder.read(pixelsOf(bitmap, bitmap.width, bitmap.height));
  decoder.worker.terminate();
  if (!text) throw new Refusal("picture_unreadable");
  return text;
}
