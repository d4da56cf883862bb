// "Check it yourself" on the public page: the steps run here, in the visitor's browser, one after the other; the first
// that fails says so, and those that rest on it are not run. All words are in the page (messages/public.json).

import { file } from "../api.js";
import { Refusal } from "../errors.js";
import { canVerify } from "../primitives.js";
import * as memory from "./memory.js";
import { STEPS } from "./steps.js";

const PATIENCE_MS = 20_000;
const $ = (id) => document.getElementById(id);

const ask = (path) => file(path, { patience: PATIENCE_MS });

/** What the page shows, as it stands in it. */
function whatIsShown() {
  const each = (selector, read) => Array.from(document.querySelectorAll(selector), read);
  const audit = document.querySelector("[data-audit]");
  return {
    keys: new Map(each("[data-vkey]", (element) => [element.dataset.vkey, element.textContent.trim()])),
    former: each("[data-former]", (element) => [element.dataset.former, element.textContent.trim()]),
    witnesses: each("[data-witness]", (element) => element.textContent.trim()),
    quorum: Number(document.querySelector("[data-quorum]").dataset.quorum),
    reports: each("[data-report]", ({ dataset: { report, service, day, rows, due, done } }) => {
      return { index: Number(report), service, day, rows, due, done };
    }),
    audit: audit && {
      place: Number(audit.dataset.audit),
      day: audit.dataset.day,
      result: audit.dataset.result,
      points: each("[data-point]", (element) => element.dataset.point),
    },
  };
}

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

class Check {
  constructor() {
    this.words = $("check").dataset;
    this.running = false;
  }

  /** A step's state by shape, colour and word, and what it says. */
  show(name, state, said = "", value = "") {
    const line = document.querySelector(`[data-step=${name}]`);
    line.className = state;
    line.querySelector(".state").textContent = state === "skipped" ? "" : this.words[state];
    line.querySelector(".state").classList.toggle("visually-hidden", state !== "nothing");
    line.querySelector(".said").textContent = said;
    line.querySelector(".value").textContent = value;
  }

  async run() {
    if (this.running) return;
    this.running = true;
    const context = { shown: whatIsShown(), found: {}, ask, memory };
    const names = Object.keys(STEPS);
    for (const name of names) this.show(name, "waiting");
    let failed = 0;
    let compared = 0;
    for (const name of names) {
      if (failed) this.show(name, "skipped", this.words.skipped);
      else {
        const state = await this.#step(name, context);
        if (state === "failed") failed = names.indexOf(name) + 1;
        if (state === "done") compared += 1;
      }
    }
    if (!failed) memory.write({ vkey: context.shown.keys.get("log"), ...context.found.head });
    this.#tell(failed, names.length, compared);
    this.running = false;
  }

  /** The state that the step ends in: `done`, `nothing` where there was nothing to compare, or `failed`. */
  async #step(name, context) {
    const sentences = document.querySelector(`[data-step=${name}]`).dataset;
    this.show(name, "working");
    try {
      const { text, values, value, done } = await STEPS[name](context);
      const state = done ? "done" : "nothing";
      this.show(name, state, fill(sentences[text], values), value);
      return state;
    } catch (error) {
      const reason = error instanceof Refusal ? `${error.code}: ${error.message}` : String(error);
      this.show(name, "failed", sentences.bad, reason);
      return "failed";
    }
  }

  #tell(failed, count, compared) {
    const outcome = $("outcome");
    outcome.className = failed ? "bad" : "good";
    const words = compared === count ? this.words.passed : this.words.partly;
    const values = { step: failed, count, compared, rest: count - compared };
    outcome.textContent = fill(failed ? this.words.broken : words, values);
    $("forget").hidden = !memory.read();
  }
}

const check = new Check();
$("run").addEventListener("click", () => check.run());
$("forget").addEventListener("click", () => {
  memory.forget();
  $("forget").hidden = true;
  $("outcome").className = "";
  $("outcome").textContent = check.words.forgotten;
  $("run").focus();
});
$("forget").hidden = !memory.read();
const able = await canVerify();
$("run").hidden = !able;
$("unfit").hidden = able;
document.body.dataset.started = "true";
