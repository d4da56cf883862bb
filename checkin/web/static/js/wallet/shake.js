// Shaking opens a new code: two strong changes of acceleration within a second.

const STRONG = 15; // m/s², well above a walk
const WITHIN_MS = 1000;
const REST_MS = 1500;

/** Asks for the permission where a browser wants one (iOS); only possible inside a tap. */
export async function allowShake() {
  if (typeof DeviceMotionEvent === "undefined") return false;
  if (typeof DeviceMotionEvent.requestPermission !== "function") return true;
  return (await DeviceMotionEvent.requestPermission().catch(() => "denied")) === "granted";
}

/** Calls `shaken` for every shake. */
export function onShake(shaken) {
  let last = null;
  let jolts = [];
  let restUntil = 0;
  addEventListener("devicemotion", ({ accelerationIncludingGravity: force }) => {
    if (force?.x === null || force?.x === undefined) return;
    const now = performance.now();
    const change = last && Math.hypot(force.x - last.x, force.y - last.y, force.z - last.z);
    last = { x: force.x, y: force.y, z: force.z };
    if (now < restUntil || !(change > STRONG)) return;
    jolts = [...jolts.filter((time) => now - time < WITHIN_MS), now];
    if (jolts.length < 2) return;
    jolts = [];
    restUntil = now + REST_MS;
    shaken();
  });
}
