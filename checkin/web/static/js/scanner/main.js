// The scanner page: a camera, a verdict, a thin line at the bottom. It never holds anything about anybody.

import { Decoder } from "../decoder.js";
import { codeOf } from "../errors.js";
import { allowSound } from "../feedback.js";
import { accept, refuse } from "../form.js";
import { canSeal } from "../intake.js";
import { loadMessages, onLanguage, say, sayError, wireLanguageButtons } from "../messages.js";
import { keepOffline } from "../registerworker.js";
import { canVerify } from "../primitives.js";
import { startPage } from "../start.js";
import { Trust } from "../trust.js";
import { keepScreenOn, whenSeenAgain } from "./awake.js";
import { Camera } from "./camera.js";
import { Door } from "./door.js";
import { readEnrolment } from "./enrol.js";
import { Gate } from "./gate.js";
import { Link } from "./link.js";
import { Store } from "./store.js";
import { ToldTime } from "./time.js";
import { showVerdict } from "./verdict.js";

const OFF_SECONDS = 10; // by which a device's clock may be wrong without a word
const $ = (id) => document.getElementById(id);

class ScannerView {
  static async open() {
    const store = await Store.open();
    const scanner = new ScannerView(store, new ToldTime(await store.get("clock")));
    const device = await scanner.store.get("device");
    if (device) await scanner.#work(device);
    return scanner;
  }

  constructor(store, time) {
    Object.assign(this, { store, time, link: null, door: null });
    $("findings-open").addEventListener("click", () => this.#showFindings());
    $("findings-dismiss").addEventListener("click", () => this.#dismiss());
    $("findings-retry").addEventListener("click", async () => {
      await this.store.retry();
      await this.link.try();
    });
    $("menu-open").addEventListener("click", () => $("menu").showModal());
    $("leave").addEventListener("click", () => this.#leave());
    $("enrol-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#enrolPasted();
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
    accept($("enrol"), $("enrol-error"));
    const device = readEnrolment(text);
    await this.store.enrol(device);
    this.leaving = false;
    await this.#work(device);
  }

  /** The same by its text; what is wrong is told beside the field. */
  async #enrolPasted() {
    try {
      await this.enrol($("enrol-text").value);
    } catch (error) {
      const code = codeOf(error);
      refuse($("enrol-text"), $("enrol-error"), () => sayRefused(code), { fault: code === "enrolment_malformed" });
    }
  }

  async #work(device) {
    this.link?.stop();
    const trust = new Trust(await this.store.get("trust"));
    this.link = new Link(this.store, trust, device, () => this.time.now(), this.time);
    this.door = new Door(this.store, trust, device, this.link, this.time);
    this.link.addEventListener("change", () => this.line());
    this.#keepStorage().catch(console.error); // not waited for: Firefox asks a person, who may never answer
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

  /** Another gate: what waits of this one is told before, and stays. */
  async #leave() {
    const waiting = await this.store.waiting();
    if (waiting && !confirm(say("leave_sure", { count: waiting }))) return;
    this.leaving = true;
    this.view();
  }

  /** Refused visits go with what is known of them: only by somebody who was told how many. */
  async #dismiss() {
    const lost = (await this.store.findings()).filter(({ sealed }) => sealed).length;
    if (lost && !confirm(say("dismiss_sure", { count: lost }))) return;
    await this.store.dismiss();
    this.line();
  }

  /** Asks that the browser does not clear what waits here when its disk is full; what it answers is told. */
  async #keepStorage() {
    $("not-kept").hidden = Boolean(await navigator.storage?.persisted?.());
    $("not-kept").hidden ||= Boolean(await navigator.storage?.persist?.());
  }

  /** The thin line at the bottom, and the notice that stops everything. */
  async line() {
    if (!this.link) return;
    const { online, problem, uploaded, heard, stuck, trust, device } = this.link;
    const [waiting, findings] = [await this.store.waiting(), await this.store.findings()];
    $("line").dataset.link = online ? "online" : "offline";
    const last = heard && !online ? say("last_heard", { time: timeText(heard) }) : "";
    $("link").textContent = [say(online ? "connected" : "offline"), last].filter(Boolean).join(", ");
    $("waiting").textContent = say("waiting", { count: waiting });
    $("waiting").dataset.count = waiting;
    $("uploaded").textContent = uploaded ? say("uploaded", { time: timeText(uploaded) }) : "";
    $("gate").textContent = [trust.stored.venue, device.label].filter(Boolean).join(" · ");
    $("passed").textContent = trust.passed.length ? say("passed_over", { issuers: trust.passed.join(", ") }) : "";
    const minutes = Math.round(Math.abs(this.time.off()) / 60) || 1;
    const off = Math.abs(this.time.off()) > OFF_SECONDS;
    $("clock-off").textContent = off ? say(this.time.off() > 0 ? "clock_ahead" : "clock_behind", { minutes }) : "";
    $("stuck").textContent = stuck ? say("stuck", { count: stuck }) : "";
    $("findings-open").hidden = findings.length === 0;
    $("findings-open").textContent = say("findings", { count: findings.length });
    const stop = this.#stopped(trust, problem);
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
    $("findings-retry").hidden = !(await this.store.findings()).some(({ sealed }) => sealed);
    $("findings").showModal();
  }

  /** Why no code may be accepted now, or null. */
  #stopped(trust, problem) {
    if (problem === "unauthorized" || problem === "forbidden") return "revoked";
    if (["note_untrusted", "note_malformed", "proof_invalid", "list_refused"].includes(problem)) return "lists";
    try {
      trust.requireTime(this.time.now());
    } catch (error) {
      return error.code;
    }
    return null;
  }
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
  if (!(await canVerify()) || !(await canSeal())) {
    $("unfit").hidden = false;
    return;
  }
  const scanner = await ScannerView.open();
  scanner.view();
  const gate = new Gate(new Decoder("/scanner-decoder.js"), (text) => scanner.judge(text), showVerdict);
  const camera = new Camera($("camera"), (image, taken) => gate.look(image, taken), tellCamera);
  $("camera-again").addEventListener("click", () => camera.start());
  onLanguage(() => tellCamera($("no-camera").hidden ? null : $("no-camera").dataset.problem));
  whenSeenAgain({
    hidden: () => scanner.time.hide(),
    seen: [() => camera.start(), keepScreenOn, () => scanner.link?.try(), () => scanner.line()],
  });
  await Promise.all([camera.start(), keepScreenOn()]);
}

/** What a steward reads in place of the picture, with a way on. */
function tellCamera(problem) {
  $("no-camera").hidden = !problem;
  $("no-camera").dataset.problem = problem ?? "";
  $("no-camera-why").textContent = problem ? say(problem) : "";
}

allowSound();
await startPage(start);
await keepOffline("scanner");
