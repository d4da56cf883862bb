// The code on the screen: a fresh credential each time it is opened, signed anew every 15 seconds as long as it is.

import { opened, tick } from "../feedback.js";
import { onLanguage, say, sayError } from "../messages.js";
import { RENEW_SECONDS, present, toText } from "../presentation.js";
import { drawCode } from "../qrcode.js";
import { fetchBatch } from "./batches.js";

const $ = (id) => document.getElementById(id);

export class CodeView {
  constructor(account, calendar, clock) {
    Object.assign(this, { account, calendar, clock, item: null, showing: false, timer: 0, openings: 0, problem: null });
    onLanguage(() => this.#words());
    setInterval(() => this.#time(), 1000);
  }

  /** Takes a fresh credential and shows it; fetches a batch first when none is left. */
  async open() {
    this.openings += 1;
    const opening = this.openings;
    const day = this.calendar.day(this.clock());
    let item = await this.account.open(day);
    if (!item) {
      this.#empty("fetching");
      try {
        await fetchBatch(this.account, day);
        item = await this.account.open(day);
      } catch (error) {
        if (opening === this.openings) this.#empty(error.code);
        throw error;
      }
    }
    if (opening !== this.openings) return; // somebody was quicker: that one is shown
    this.item = item;
    this.showing = false;
    this.problem = null;
    opened();
    await this.#show();
    this.#announce();
  }

  /** Shows the vaccination status in the code, or no longer; false when there is none to show. */
  async toggleStatus() {
    if (!this.item?.opening.status) return false;
    this.showing = !this.showing;
    await this.#show();
    this.#announce();
    return true;
  }

  /** Nothing is signed any more until the next opening. */
  close() {
    this.openings += 1;
    clearTimeout(this.timer);
    this.item = null;
    $("qr").replaceChildren();
  }

  async #show() {
    clearTimeout(this.timer);
    const item = this.item;
    const now = this.clock();
    if (!item) return;
    if (this.calendar.day(now) !== item.day) {
      await this.open().catch(() => {}); // midnight: yesterday's code opens no door
      return;
    }
    const token = await present(item.encoded, item.key, Math.floor(now), this.showing ? item.opening : null);
    if (item !== this.item) return;
    drawCode($("qr"), toText(token), say("code_label"));
    $("qr").dataset.iat = String(Math.floor(now));
    $("no-code").hidden = true;
    $("qr").removeAttribute("hidden");
    this.#ring();
    this.#words();
    this.timer = setTimeout(() => this.#renew(), RENEW_SECONDS * 1000);
  }

  async #renew() {
    await this.#show();
    if (this.item && !(await this.account.get("silent"))) tick();
  }

  /** The ring runs down in 15 seconds and starts again. */
  #ring() {
    const ring = $("ring");
    ring.classList.remove("running");
    ring.getBoundingClientRect(); // so that the animation starts from its beginning
    ring.classList.add("running");
  }

  #empty(problem) {
    clearTimeout(this.timer);
    this.item = null;
    this.problem = problem;
    $("qr").setAttribute("hidden", "");
    $("ring").classList.remove("running");
    $("no-code").hidden = false;
    this.#words();
    $("spoken").textContent = $("no-code").textContent;
  }

  #announce() {
    const status = say(`status_${this.item?.opening.status ?? 0}`);
    $("spoken").textContent = "";
    // A line of its own for each opening, so that the same words are spoken again.
    setTimeout(() => ($("spoken").textContent = this.showing ? say("ready_status", { status }) : say("ready")), 50);
  }

  #words() {
    const status = say(`status_${this.item?.opening.status ?? 0}`);
    $("shown").hidden = !this.showing;
    $("shown").textContent = say("shows", { status });
    $("show-status").textContent = say(this.showing ? "hide_status" : "show_status");
    $("show-status").setAttribute("aria-pressed", String(this.showing));
    if (this.item) $("qr").setAttribute("aria-label", say("code_label"));
    if (!this.problem) return;
    const known = { fetching: "fetching", unreachable: "none_left", quota_used: "quota_left" }[this.problem];
    $("no-code").textContent = known ? say(known) : sayError(this.problem);
  }

  #time() {
    const time = new Date(this.clock() * 1000).toLocaleTimeString(document.documentElement.lang);
    $("clock").textContent = time;
  }
}
