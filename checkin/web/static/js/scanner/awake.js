// What the browser takes away while a page is hidden is asked for again when it is seen: here, and nowhere else.

/**
 * @param {{hidden: () => void, seen: (() => void)[]}} hooks `hidden` when the page goes out of sight; all of `seen` when
 *   it comes back
 */
export function whenSeenAgain({ hidden, seen }) {
  const look = () => {
    if (document.hidden) hidden();
    else for (const again of seen) Promise.resolve().then(again).catch(console.error);
  };
  document.addEventListener("visibilitychange", look);
  document.addEventListener("freeze", hidden);
  document.addEventListener("resume", look);
  addEventListener("pageshow", look);
}

let lock = null;

/** Keeps the screen on, as far as the browser lets it. */
export async function keepScreenOn() {
  if (lock && !lock.released) return;
  lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
}
