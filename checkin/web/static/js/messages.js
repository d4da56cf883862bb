// The page's words in Korean and English. Both are fetched at once, so that switching works without a network.

import { request } from "./api.js";

const LANGUAGES = ["en", "ko"];
const CHOSEN = "language";
let words = { en: {}, ko: {} };
let language = document.documentElement.lang;
const listeners = [];
const told = new Map(); // element → what makes its text

/** Loads the words of all errors and of a page, which may say an error its own way, and fills what names one. */
export async function loadMessages(page) {
  const files = ["/static/messages/errors.json", `/static/messages/${page}.json`];
  const loaded = await Promise.all(files.map((file) => request("GET", file)));
  words = Object.fromEntries(LANGUAGES.map((name) => [name, Object.assign({}, ...loaded.map((file) => file[name]))]));
  const asked = new URLSearchParams(location.search).get("lang");
  setLanguage([asked, localStorage.getItem(CHOSEN), language].find((name) => LANGUAGES.includes(name)) ?? "en");
}

export const currentLanguage = () => language;

/** Calls `listener` now and at every change of the language. */
export function onLanguage(listener) {
  listeners.push(listener);
  listener();
}

export function setLanguage(name, { remember = false } = {}) {
  language = name;
  if (remember) localStorage.setItem(CHOSEN, name);
  document.documentElement.lang = name;
  fill(document);
  for (const [element, make] of told) element.textContent = make();
  for (const listener of listeners) listener();
}

/** Writes a text that a script found out, now and again at every change of the language. */
export function tell(element, make) {
  told.set(element, make);
  element.textContent = make();
}

/** A text with {placeholders} filled; the key itself where there is no such text. */
export function say(key, values = {}) {
  const text = words[language]?.[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** The sentence for an error's code. */
export function sayError(code, values = {}) {
  const key = `error_${code}`;
  return words[language]?.[key] ? say(key, values) : say("error_other", { code });
}

/** Fills elements under `root`: data-t their text, data-t-label their accessible name, data-t-hint a placeholder. */
export function fill(root) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = say(element.dataset.t);
  for (const element of root.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", say(element.dataset.tLabel));
  }
  if (root === document && words[language].title) document.title = say("title");
}

/** Wires the buttons that switch the language. */
export function wireLanguageButtons() {
  const buttons = document.querySelectorAll("[data-language]");
  for (const button of buttons) {
    button.addEventListener("click", () => setLanguage(button.dataset.language, { remember: true }));
  }
  onLanguage(() => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.language === language));
  });
}

/** A day as people write it. */
export function sayDay(day) {
  const format = new Intl.DateTimeFormat(language, { dateStyle: "long", timeZone: "UTC" });
  return format.format(new Date(day * 86_400_000));
}

const UNITS = [
  ["day", 86_400, 20 * 3600],
  ["hour", 3600, 90 * 60],
  ["minute", 60, 90],
  ["second", 1, 0],
];

/** A span of time as people say it: `8 seconds`, `2 hours`, `1 day`. */
export function sayAmount(seconds) {
  const [unit, size] = UNITS.find(([, , from]) => seconds >= from);
  const options = { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 };
  return new Intl.NumberFormat(language, options).format(seconds / size);
}
