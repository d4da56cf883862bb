// The camera's frames, one at a time: the next is taken when the last one has been judged.

import { pixelsOf } from "../decoder.js";

export class Camera {
  /** @param {HTMLVideoElement} video */
  constructor(video, look) {
    Object.assign(this, { video, look, canvas: new OffscreenCanvas(1, 1) });
  }

  /** Asks for the camera at the back; Error where there is none or it was denied. */
  async start() {
    const wanted = { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } };
    this.video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    await this.video.play();
    this.#next();
  }

  #next() {
    const go = () => this.#frame();
    if ("requestVideoFrameCallback" in this.video) this.video.requestVideoFrameCallback(go);
    else requestAnimationFrame(go);
  }

  async #frame() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (width && !document.hidden) {
      const taken = performance.now();
      // One frame that cannot be judged must not be the last one.
      await this.look(pixelsOf(this.video, width, height, this.canvas), taken).catch(console.error);
    }
    this.#next();
  }
}
