// What can be heard and felt: short tones by Web Audio, no files; vibration where a device has it.

let context;

/** Browsers let a page make sounds only after a touch or a key. */
export function allowSound() {
  const start = () => {
    context ??= new AudioContext();
    context.resume();
  };
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, start, { passive: true });
}

/** @param {[number, number, number][]} notes frequency in Hz, start and length in seconds */
function play(notes, volume, shape = "sine") {
  if (context?.state !== "running") return;
  for (const [frequency, start, length] of notes) {
    const [tone, gain] = [context.createOscillator(), context.createGain()];
    const from = context.currentTime + start;
    tone.type = shape;
    tone.frequency.value = frequency;
    gain.gain.setValueAtTime(0, from);
    gain.gain.linearRampToValueAtTime(volume, from + 0.01);
    gain.gain.exponentialRampToValueAtTime(0.0001, from + length);
    tone.connect(gain).connect(context.destination);
    tone.start(from);
    tone.stop(from + length);
  }
}

const vibrate = (pattern) => navigator.vibrate?.(pattern);

/** The code was renewed: hardly more than a tap on wood. */
export const tick = () => play([[1800, 0, 0.03]], 0.04);

/** The code is there. */
export const opened = () => vibrate(80);

/** Rising: welcome. */
export function good() {
  play([[660, 0, 0.12], [990, 0.1, 0.22]], 0.25);
  vibrate(60);
}

/** Low: refused. */
export function bad() {
  play([[150, 0, 0.5]], 0.35, "square");
  vibrate([220, 80, 220]);
}

/** Twice the same: used before. */
export function again() {
  play([[440, 0, 0.12], [440, 0.2, 0.12]], 0.25, "triangle");
  vibrate([80, 60, 80]);
}
