// From a frame to a verdict. What stays in view after its verdict is not judged again; what comes back is.

const GONE_MS = 1500; // out of view for this long: whoever comes next is somebody new

export class Gate {
  /**
   * @param {import("../decoder.js").Decoder} decoder
   * @param {(text: string) => Promise<string>} judge throws a Refusal
   * @param {(outcome: {result?: string, refusal?: Error}) => Promise<void>} show until the next may come
   */
  constructor(decoder, judge, show) {
    Object.assign(this, { decoder, judge, show, last: null, welcome: false, lastSeen: -Infinity });
  }

  /** Reads one frame; the verdict is on the screen when this returns. `taken`: performance.now() of the frame. */
  async look(image, taken) {
    const [text] = await this.decoder.read(image);
    if (text === undefined) return;
    const stayed = taken - this.lastSeen < GONE_MS && this.#same(text);
    this.last = text;
    this.lastSeen = taken;
    if (stayed) return;
    const outcome = await this.judge(text).then(
      (result) => ({ result }),
      (refusal) => ({ refusal }),
    );
    this.welcome = "result" in outcome;
    const shown = this.show(outcome);
    performance.measure("frame to verdict", { start: taken });
    await shown;
    this.lastSeen = performance.now();
  }

  /** Whoever was welcomed may go on holding up a code that renews itself; a refused one is judged when it changes. */
  #same(text) {
    return text === this.last || (this.welcome && inside(text) === inside(this.last));
  }
}

// These characters of a token spell bytes of its credential only, with and without the status: base45 turns two bytes
// into three characters, and the time of signing lies before them.
const inside = (text) => text.slice(70, 334);
