// The camera's frames, one at a time: the next is taken when the last one has been judged. A camera that is lost is told,
// and asked for again.

import { pixelsOf } from "../decoder.js";

const WANTED = { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } };
const LONGEST_PAUSE_MS = 30_000;
const QUIET_MS = 250;

export class Camera {
  /**
   * @param {HTMLVideoElement} video
   * @param {(problem: "no_camera"|"camera_lost"|null) => void} told what a steward should read; null: it is there
   */
  constructor(video, look, told) {
    Object.assign(this, { video, look, told, canvas: new OffscreenCanvas(1, 1), round: 0, pause: 1000, timer: 0 });
    this.starting = null;
  }

  /** Whether there is a picture now. */
  get alive() {
    const [track] = this.video.srcObject?.getVideoTracks() ?? [];
    return track?.readyState === "live" && !track.muted;
  }

  /** Asks for the camera at the back, unless it is there; told `no_camera` where there is none or it was denied. */
  start() {
    clearTimeout(this.timer);
    if (this.alive && !this.video.paused) return Promise.resolve();
    this.starting ??= this.#start()
      .then(
        () => {
          this.pause = 1000;
          this.told(null);
        },
        () => this.told("no_camera"),
      )
      .finally(() => (this.starting = null));
    return this.starting;
  }

  async #start() {
    for (const track of this.video.srcObject?.getTracks() ?? []) track.stop();
    this.round += 1;
    this.video.srcObject = await navigator.mediaDevices.getUserMedia({ video: WANTED, audio: false });
    const [track] = this.video.srcObject.getVideoTracks();
    track.addEventListener("ended", () => this.#lost());
    track.addEventListener("mute", () => this.told("camera_lost"));
    track.addEventListener("unmute", () => this.told(null));
    await this.video.play();
    this.#next(this.round);
  }

  /** Taken by another program, unplugged, or by the system while the page was hidden: again at once, then less often. */
  #lost() {
    this.told("camera_lost");
    this.timer = setTimeout(() => this.start().then(() => this.alive || this.#lost()), this.pause);
    this.pause = Math.min(LONGEST_PAUSE_MS, 2 * this.pause);
  }

  /** At the next frame; or in a moment, where a browser has that call and never makes it (WebKitGTK without a GPU). */
  #next(round) {
    if (!("requestVideoFrameCallback" in this.video)) {
      requestAnimationFrame(() => this.#frame(round));
      return;
    }
    const call = this.video.requestVideoFrameCallback(() => {
      clearTimeout(timer);
      this.#frame(round);
    });
    const timer = setTimeout(() => {
      this.video.cancelVideoFrameCallback(call);
      this.#frame(round);
    }, QUIET_MS);
  }

  async #frame(round) {
    if (round !== this.round) return;
    const { videoWidth: width, videoHeight: height } = this.video;
    if (width && this.alive && !document.hidden) {
      const taken = performance.now();
      // One frame that cannot be judged must not be the last one.
      await this.look(pixelsOf(this.video, width, height, this.canvas), taken).catch(console.error);
    }
    this.#next(round);
  }
}
