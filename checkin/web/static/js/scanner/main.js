// The scanner page: a camera, a verdict, a thin line at the bottom. It never holds anything about anybody.

import { Decoder } from "../decoder.js";
import { allowSound } from "../feedback.js";
import { loadMessages, onLanguage, say, sayError, wireLanguageButtons } from "../messages.js";
import { newSigningKey } from "../primitives.js";
import { keepOffline } from "../offline.js";
import { Trust } from "../trust.js";
import { Camera } from "./camera.js";
import { Door } from "./door.js";
import { readEnrolment } from "./enrol.js";
import { Gate } from "./gate.js";
import { Link } from "./link.js";
import { Store } from "./store.js";
import { showVerdict } from "./verdict.js";

const clock = () => Date.now() / 1000;
const $ = (id) => document.getElementById(id);

class Scanner {
  static async open() {
    const scanner = new Scanner(await Store.open());
    const device = await scanner.store.get("device");
    if (device) await scanner.#work(device);
    return scanner;
  }

  constructor(store) {
    Object.assign(this, { store, link: null, door: null });
    $("findings-open").addEventListener("click", () => this.#showFindings());
    $("findings-dismiss").addEventListener("click", async () => {
      await this.store.dismiss();
      this.line();
    });
    $("menu-open").addEventListener("click", () => $("menu").showModal());
    $("leave").addEventListener("click", () => {
      this.leaving = true;
      this.view();
    });
    $("enrol-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.enrol($("enrol-text").value);
    });
    setInterval(() => this.line(), 1000);
    onLanguage(() => this.line());
  }

  /** "accepted", "queued", or "enrolled" for the operator's code. */
  async judge(text) {
    if (this.door && !this.leaving) return this.door.scan(text);
    await this.enrol(text);
    return "enrolled";
  }

  /** Becomes the scanner that the operator's code names. */
  async enrol(text) {
    try {
      const device = readEnrolment(text);
      await this.store.enrol(device);
      this.leaving = false;
      await this.#work(device);
      $("enrol-error").hidden = true;
    } catch (error) {
      $("enrol-error").textContent = say(`reason_${error.code}`);
      $("enrol-error").hidden = false;
      throw error;
    }
  }

  async #work(device) {
    this.link?.stop();
    const trust = new Trust(await this.store.get("trust"));
    this.link = new Link(this.store, trust, device, clock);
    this.door = new Door(this.store, trust, device, this.link, clock);
    this.link.addEventListener("change", () => this.line());
    this.view();
    await this.link.try();
  }

  view() {
    const enrolled = Boolean(this.door) && !this.leaving;
    $("enrol").hidden = enrolled;
    $("line").hidden = !enrolled;
    document.body.dataset.view = enrolled ? "door" : "enrol";
    this.line();
  }

  /** The thin line at the bottom, and the notice that stops everything. */
  async line() {
    if (!this.link) return;
    const { online, problem, uploaded, trust, device } = this.link;
    const [waiting, findings] = [await this.store.waiting(), await this.store.findings()];
    $("line").dataset.link = online ? "online" : "offline";
    $("link").textContent = say(online ? "connected" : "offline");
    $("waiting").textContent = say("waiting", { count: waiting });
    $("waiting").dataset.count = waiting;
    $("uploaded").textContent = uploaded ? say("uploaded", { time: timeText(uploaded) }) : "";
    $("gate").textContent = [trust.stored.venue, device.label].filter(Boolean).join(" · ");
    $("passed").textContent = trust.passed.length ? say("passed_over", { issuers: trust.passed.join(", ") }) : "";
    $("findings-open").hidden = findings.length === 0;
    $("findings-open").textContent = say("findings", { count: findings.length });
    const stop = stopped(trust, problem);
    $("stopped").hidden = !stop;
    $("stopped").dataset.code = stop ?? "";
    if (stop) $("stopped-why").textContent = say(`stopped_${stop}`);
  }

  async #showFindings() {
    const items = (await this.store.findings()).map(({ at, result, code }) => {
      const item = document.createElement("li");
      const why = result === "conflict" ? say("conflict") : sayRefused(code);
      item.textContent = `${timeText(at)} – ${why}`;
      return item;
    });
    $("findings-list").replaceChildren(...items);
    $("findings").showModal();
  }
}

/** Why no code may be accepted now, or null. */
function stopped(trust, problem) {
  if (problem === "unauthorized" || problem === "forbidden") return "revoked";
  if (["note_untrusted", "note_malformed", "proof_invalid", "list_refused"].includes(problem)) return "lists";
  try {
    trust.requireTime(clock());
  } catch (error) {
    return error.code;
  }
  return null;
}

function sayRefused(code) {
  const reason = say(`reason_${code}`);
  return reason === `reason_${code}` ? sayError(code) : reason;
}

function timeText(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" });
}

async function start() {
  await loadMessages("scanner");
  wireLanguageButtons();
  if (!(await newSigningKey().catch(() => null))) {
    $("unfit").hidden = false;
    return;
  }
  const scanner = await Scanner.open();
  scanner.view();
  const gate = new Gate(new Decoder("/scanner-decoder.js"), (text) => scanner.judge(text), showVerdict);
  const camera = new Camera($("camera"), (image, taken) => gate.look(image, taken));
  try {
    await camera.start();
    navigator.wakeLock?.request("screen").catch(() => {});
  } catch {
    $("no-camera").hidden = false;
  }
}

allowSound();
await start();
document.body.dataset.started = "true";
await keepOffline("scanner");
