// The wallet's time: this device's clock, corrected by the time that the issuer signs with each batch of credentials
// (docs/spec/issuer.md §8). It never asks for the time on its own: that would tell the issuer when somebody goes out.
//
// Two clocks carry a measurement on. The device's clock runs through sleep but can be set; the browser's steady clock
// cannot be set but may stand still in sleep. Where they part, one of the two has happened.

const CUT = 1; // signed times are cut to the second
const JUMP = 1; // the clocks part by more than this within a look: one of them was set, or the device slept
const NAP = 0.1; // of sleep that is noticed while nobody looks
const RIGHT = 2; // a device's clock this near to the issuer's is right
const TELL = 5; // seconds off from which people are told: doors let codes be that much too early

const deviceClock = () => Date.now() / 1000;
// Counted from when the page was loaded, so that reloading does not begin anew.
const steadyClock = () => (performance.timeOrigin + performance.now()) / 1000;

export class WalletClock {
  /** Both in seconds: `device` as the device says, since 1970; `steady` never set, from wherever it counts. */
  constructor(device = deviceClock, steady = steadyClock) {
    Object.assign(this, { device, steady, hidden: false, jumps: 0 });
    const now = device();
    this.known = { time: now, device: now, steady: steady(), proved: null };
  }

  /** Unix seconds. */
  now() {
    this.look();
    return this.known.time;
  }

  /** The issuer's time at the last measurement: that much is sure to have passed; null before any. */
  get proved() {
    return this.known.proved;
  }

  /** By how many seconds the device is ahead of the issuer; 0 while that is not known. */
  get ahead() {
    this.look();
    return this.proved === null ? 0 : this.known.device - this.known.time;
  }

  /** Whether people should hear of it. */
  get isOff() {
    return Math.abs(this.ahead) > TELL;
  }

  /** Carries the time on to now. */
  look() {
    const { known } = this;
    const [device, steady] = [this.device(), this.steady()];
    const passed = steady - known.steady;
    const parted = device - known.device - passed;
    if (Math.abs(parted) > JUMP) this.jumps += 1;
    let time = known.time + passed;
    if (known.proved === null) time = device;
    else if (this.hidden && parted > NAP && !wasSetRight(known, device, time)) time += parted;
    this.known = { ...known, time, device, steady };
  }

  /** From now on nobody looks: where the device's clock runs ahead of the steady one, the device slept. */
  leave() {
    this.look();
    this.hidden = true;
  }

  /** Somebody looks again. */
  comeBack() {
    this.look();
    this.hidden = false;
  }

  /** Begins a question whose answer has the signed time. */
  ask() {
    this.look();
    return { steady: this.known.steady, jumps: this.jumps };
  }

  /** Takes the signed time that came as the answer now; nothing is learnt where the device slept or was set meanwhile. */
  measure(signed, asked) {
    this.look();
    if (asked.jumps !== this.jumps) return;
    const time = measured(signed, this.known.steady - asked.steady, this.known.time);
    this.known = { ...this.known, time, proved: signed };
  }

  /** What is to be stored, for `restore`. */
  get plain() {
    this.look();
    return { ...this.known };
  }

  /** Goes on from what was stored by this page earlier, perhaps before the browser or the device was started anew. */
  restore(stored) {
    if (stored) this.known = carried(stored, this.device(), this.steady());
  }
}

/** The time at the end of a question that took `took` seconds: as believed if that may be, else the middle of what may be. */
function measured(signed, took, believed) {
  const [earliest, latest] = [signed, signed + CUT + took];
  return earliest <= believed && believed <= latest ? believed : (earliest + latest) / 2;
}

/** Whether the device's clock was wrong and is right now, by the time of the steady clock. */
function wasSetRight(known, device, time) {
  return Math.abs(known.device - known.time) > RIGHT && Math.abs(device - time) <= RIGHT;
}

/** After a load the steady clock may have begun anew, at the device's time; it is believed where it cannot have. */
function carried(stored, device, steady) {
  const proved = stored.proved ?? null;
  const [lag, before] = [device - steady, stored.device - stored.steady];
  const begun = Math.abs(lag) <= RIGHT;
  const bySteady = stored.time + steady - stored.steady;
  const byDevice = stored.time + device - stored.device;
  const unknown = { time: device, device, steady, proved: null };
  if (proved === null) return unknown;
  const on = (time) => ({ time, device, steady, proved });
  if (lag - before < -JUMP && !begun) return on(bySteady); // set back
  if (lag - before > JUMP && wasSetRight(stored, device, bySteady)) return on(device);
  if (device >= stored.device - JUMP) return on(byDevice);
  // Set back, and nothing tells how long ago: to the right time, or to a wrong one that leads nowhere.
  return device >= stored.time - RIGHT ? on(device) : unknown;
}
