// The registry's time, between the moments when it is told: by a clock that setting the device's time does not move. The
// same rules as checkin/parties/told_time.py, but that a page cannot tell a device that slept from one that was set; one
// file of vectors for both (tests/vectors/toldtime.json).

const JUMP_SECONDS = 5; // two clocks of one device drift less in the days without a registry
const CUT_SECONDS = 1; // the registry's time is cut to the second

const deviceClock = () => Date.now() / 1000;
const steadyClock = () => (performance.timeOrigin + performance.now()) / 1000;

export class ToldTime {
  /**
   * @param {{ahead: number}|undefined} kept of an earlier page: seconds by which the device's clock was ahead
   * @param wall the device's clock, in seconds since 1970
   * @param steady one that is never set, in seconds from wherever it counts
   */
  constructor(kept, wall = deviceClock, steady = steadyClock) {
    Object.assign(this, { wall, steady, ahead: kept?.ahead ?? 0, gap: null, hidden: false });
  }

  /** What is to be stored. */
  get kept() {
    return { ahead: this.ahead };
  }

  /** The registry said `told` to a question of `asked` by the device's clock; one that may be right is taken for right. */
  tell(told, asked, hidden = document.hidden) {
    this.ahead = Math.max(0, asked - told - CUT_SECONDS) + Math.min(0, this.wall() - told);
    Object.assign(this, { gap: this.wall() - this.steady(), hidden });
  }

  /** By the device's own clock, for `tell`. */
  asked() {
    return this.wall();
  }

  /** Unix seconds by the registry's clock, as far as they can be known here. */
  now() {
    return this.wall() - this.off();
  }

  /** By how many seconds the device's clock is ahead. */
  off() {
    return this.ahead + (this.#slept() ? 0 : this.#jumped());
  }

  /** Whether that is sure: the registry was heard since the page was opened, and nothing like a sleep came in between. */
  proved() {
    return this.gap !== null && !this.#slept();
  }

  /** The page was out of sight: the steady clock may have stood still. */
  hide() {
    this.hidden = true;
  }

  #jumped() {
    const jumped = this.gap === null ? 0 : this.wall() - this.steady() - this.gap;
    return Math.abs(jumped) > JUMP_SECONDS ? jumped : 0;
  }

  #slept() {
    return this.hidden && this.#jumped() > 0;
  }
}
