// Leaving and coming back, in one place: what a browser stops or takes away meanwhile is asked for anew by who comes back.
// A device that sleeps stops timers and perhaps clocks; a page may be hidden, frozen, or kept for the Back button.

/** Calls `left` once when nobody can see the page any more, and `back` once when somebody can again. */
export function onWake(left, back) {
  let away = document.hidden;
  const leave = () => {
    if (!away) left();
    away = true;
  };
  const comeBack = () => {
    if (!away || document.hidden) return;
    away = false;
    back();
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : comeBack()));
  document.addEventListener("freeze", leave);
  document.addEventListener("resume", comeBack);
  addEventListener("pagehide", leave);
  addEventListener("pageshow", comeBack);
}
