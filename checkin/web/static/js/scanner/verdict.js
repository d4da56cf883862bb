// The verdict takes the whole screen for a moment: shape, colour, word, sound and vibration say the same.

import { again, bad, good } from "../feedback.js";
import { say } from "../messages.js";

const GOOD_MS = 1000;
const READ_MS = 2200; // a reason has to be read
const $ = (id) => document.getElementById(id);

const WELCOME = {
  accepted: ["welcome", ""],
  queued: ["welcome", "queued"],
  enrolled: ["enrolled", "enrolled_next"],
};

/** Shows an outcome; resolves when the next code may be judged. */
export function showVerdict({ result, refusal }) {
  const kind = result ? "good" : refusal.code === "already_used" ? "again" : "bad";
  const [word, reason] = result ? WELCOME[result].map((key) => key && say(key)) : words(refusal);
  const panel = $("verdict");
  panel.className = kind;
  panel.dataset.code = result ?? refusal.code ?? "error";
  for (const shape of panel.querySelectorAll("svg")) shape.toggleAttribute("hidden", !shape.classList.contains(kind));
  $("verdict-word").textContent = word;
  $("verdict-reason").textContent = reason;
  panel.hidden = false;
  ({ good, bad, again })[kind]();
  return new Promise((resolve) => {
    setTimeout(
      () => {
        panel.hidden = true;
        resolve();
      },
      kind === "good" ? GOOD_MS : READ_MS,
    );
  });
}

function words(refusal) {
  if (refusal.code !== "already_used") {
    const reason = say(`reason_${refusal.code}`);
    const why = reason === `reason_${refusal.code}` ? say("reason_other") : reason;
    return [say("refused"), refusal.clockDoubtful ? say("or_our_clock", { why }) : why];
  }
  if (!refusal.here) return [say("used"), say("used_elsewhere")];
  const seconds = refusal.secondsAgo;
  return [say("used"), seconds === null ? say("used_here") : say("used_here_ago", { ago: ago(seconds) })];
}

function ago(seconds) {
  const format = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });
  return seconds < 90 ? format.format(-seconds, "second") : format.format(-Math.round(seconds / 60), "minute");
}
