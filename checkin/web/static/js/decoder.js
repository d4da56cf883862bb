// A picture's QR codes, by zxing-wasm in a worker.

import { Refusal } from "./errors.js";

const SCRIPT = new URL("worker/decode.js", import.meta.url);
const RESTART_MS = 1000;

export class Decoder {
  /** @param {string|URL} script the worker's address; a page that works offline has one inside its own scope */
  constructor(script = SCRIPT) {
    Object.assign(this, { script, waiting: new Map(), count: 0 });
    this.#start();
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

  close() {
    this.worker.terminate();
  }

  #start() {
    this.worker = new Worker(this.script, { type: "module" });
    this.worker.addEventListener("message", ({ data: { id, texts } }) => this.#answer(id, texts));
    // A worker that could not be loaded, or ran out of memory: its frames had no code, and another one takes over.
    this.worker.addEventListener("error", () => {
      this.close();
      setTimeout(() => {
        this.#start();
        for (const id of this.waiting.keys()) this.#answer(id, []);
      }, RESTART_MS);
    });
  }

  #answer(id, texts) {
    this.waiting.get(id)?.(texts);
    this.waiting.delete(id);
  }
}

const LARGEST = 2000; // pixels a side; a phone's photograph has more than a reader needs

/** The pixels of anything that can be drawn, made smaller where needed; on `ground` what is transparent. */
export function pixelsOf(source, width, height, canvas = new OffscreenCanvas(1, 1), ground = null) {
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (ground) {
    context.fillStyle = ground;
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** The text of the code in a picture file; picture_unreadable, or picture_several where nobody can tell which is meant. */
export async function readPicture(file) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Refusal("picture_unreadable");
  });
  const decoder = new Decoder();
  const texts = new Set();
  // A code on a transparent ground is dark for a white page, or light for a black one.
  for (const ground of ["white", "black"]) {
    if (!texts.size) {
      const pixels = pixelsOf(bitmap, bitmap.width, bitmap.height, undefined, ground);
      for (const text of await decoder.read(pixels)) texts.add(text);
    }
  }
  decoder.close();
  if (!texts.size) throw new Refusal("picture_unreadable");
  if (texts.size > 1) throw new Refusal("picture_several");
  return [...texts][0];
}
