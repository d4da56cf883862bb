// From a frame to verdicts, one for each code in it. What stays in view after its verdict is not judged again; what comes
// back is.

import { PREFIX } from "../presentation.js";

const GONE_MS = 1500; // out of view for this long: whoever comes next is somebody new

export class Gate {
  /**
   * @param {import("../decoder.js").Decoder} decoder
   * @param {(text: string) => Promise<string>} judge throws a Refusal
   * @param {(outcome: {result?: string, refusal?: Error}) => Promise<void>} show until the next may come
   */
  constructor(decoder, judge, show) {
    Object.assign(this, { decoder, judge, show, inView: [] });
  }

  /** Reads one frame; all verdicts have been on the screen when this returns. `taken`: performance.now() of the frame. */
  async look(image, taken) {
    const texts = [...new Set(await this.decoder.read(image))];
    const ours = texts.filter((text) => text.startsWith(PREFIX));
    this.inView = this.inView.filter(({ seen }) => taken - seen < GONE_MS);
    const found = [];
    // A poster beside a visitor's code is nobody's turn.
    for (const text of ours.length ? ours : texts) found.push(await this.#meet(text, taken));
    const now = performance.now();
    if (found.some((verdict) => verdict.fresh)) for (const verdict of found) Object.assign(verdict, { seen: now, fresh: false });
  }

  async #meet(text, taken) {
    const known = this.inView.find((verdict) => isSame(verdict, text));
    if (known) return Object.assign(known, { text, seen: taken });
    const outcome = await this.judge(text).then(
      (result) => ({ result }),
      (refusal) => ({ refusal }),
    );
    const verdict = { text, welcome: "result" in outcome, seen: taken, fresh: true };
    this.inView.push(verdict);
    const shown = this.show(outcome);
    performance.measure("frame to verdict", { start: taken });
    await shown;
    return verdict;
  }
}

/** Whoever was welcomed may go on holding up a code that renews itself; a refused one is judged when it changes. */
const isSame = (verdict, text) =>
  text === verdict.text || (verdict.welcome && text.startsWith(PREFIX) && inside(text) === inside(verdict.text));

// These characters of a token spell bytes of its credential only, with and without the status: base45 turns two bytes
// into three characters, and the time of signing lies before them.
const inside = (text) => text.slice(70, 334);
