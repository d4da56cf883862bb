// The venue's scanners, each with its last sign of life in words.

import { currentLanguage, say } from "../messages.js";

const MINUTE = 60;
// A living scanner asks each minute; the registry keeps five minutes, a minute late, and this page asks each minute.
const SILENT = 10 * MINUTE;
const UNITS = [["day", 1440], ["hour", 60], ["minute", 1]];
const $ = (id) => document.getElementById(id);

/** `{state, text}`: "alive", "silent", "unheard" or "revoked", and what a person reads. */
export function signOfLife({ revoked, last_seen: seen }, now) {
  if (revoked) return { state: "revoked", text: say("revoked") };
  if (!seen) return { state: "unheard", text: say("unheard") };
  const age = now - Date.parse(seen) / 1000;
  if (age < SILENT) return { state: "alive", text: say("alive") };
  const minutes = Math.floor(age / MINUTE);
  const [unit, length] = UNITS.find(([, size]) => minutes >= size);
  const format = new Intl.RelativeTimeFormat(currentLanguage(), { numeric: "always" });
  return { state: "silent", text: say("silent", { when: format.format(-Math.floor(minutes / length), unit) }) };
}

/** How many visits it may cost that a scanner is revoked as stolen, as far as anybody knows. */
export function costOf(scanner, now) {
  const { waiting } = scanner;
  if (typeof waiting !== "number") return say("cost_unknown");
  return say(waiting ? "cost" : "cost_none", { count: waiting, seen: signOfLife(scanner, now).text });
}

/** A card each; those that were revoked lie apart. `revoke` is called with the scanner. */
export function listScanners(scanners, now, revoke) {
  const live = scanners.filter(({ revoked }) => !revoked);
  const gone = scanners.filter(({ revoked }) => revoked);
  $("no-scanners").hidden = live.length > 0;
  $("scanner-list").replaceChildren(...live.map((scanner) => card(scanner, now, revoke)));
  $("revoked").hidden = gone.length === 0;
  $("revoked-title").textContent = say("revoked_ones", { count: gone.length });
  $("revoked-list").replaceChildren(...gone.map((scanner) => card(scanner, now)));
}

function card(scanner, now, revoke) {
  const item = document.createElement("li");
  const [name, life] = [document.createElement("strong"), document.createElement("span")];
  const { state, text } = signOfLife(scanner, now);
  name.textContent = scanner.label;
  life.textContent = text;
  life.className = `life ${state}`;
  item.append(name, life);
  if (revoke) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "danger";
    button.textContent = say("revoke");
    button.setAttribute("aria-label", say("revoke_label", { label: scanner.label }));
    button.addEventListener("click", () => revoke(scanner));
    item.append(button);
  }
  return item;
}
