// Paper codes: a batch in paper mode, four codes a page, each with its day, a cut line, and both languages.

import { PAPER } from "../credential.js";
import { currentLanguage, say, setLanguage } from "../messages.js";
import { present, toText } from "../presentation.js";
import { drawCode } from "../qrcode.js";
import { fetchBatch } from "./batches.js";

const COUNT = 8; // two pages; the other two of the batch would fill half a page

/** Fetches a batch for the day and lays out the sheet. The codes are nowhere but on it. */
export async function makeSheet(account, clock, calendar, day, sheet) {
  const batch = (await fetchBatch(account, clock, calendar, day, PAPER)).slice(0, COUNT);
  const iat = calendar.start(day);
  const cards = [];
  for (const [i, item] of batch.entries()) {
    cards.push(card(toText(await present(item.encoded, item.key, iat)), day, i + 1));
  }
  sheet.replaceChildren(...cards);
}

function card(text, day, number) {
  const element = document.createElement("article");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("shape-rendering", "crispEdges");
  drawCode(svg, text, say("paper_label", { number }));
  element.append(svg, ...inBoth((language) => lines(day, language)));
  return element;
}

const DATES = { dateStyle: "full", timeZone: "UTC" };

function lines(day, language) {
  const date = new Intl.DateTimeFormat(language, DATES).format(new Date(day * 86_400_000));
  return [line("p", "paper-day", say("paper_day", { day: date }), language), line("p", "", say("paper_use"), language)];
}

function line(tag, name, text, language) {
  const element = document.createElement(tag);
  element.className = name;
  element.lang = language;
  element.textContent = text;
  return element;
}

/** What `make` returns under each language. */
function inBoth(make) {
  const before = currentLanguage();
  const made = ["ko", "en"].flatMap((language) => {
    setLanguage(language);
    return make(language);
  });
  setLanguage(before);
  return made;
}
