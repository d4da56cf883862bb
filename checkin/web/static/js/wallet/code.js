// The code on the screen: a fresh credential each time it is opened, signed anew every 15 seconds as long as it is.

import { codeOf } from "../errors.js";
import { opened, tick } from "../feedback.js";
import { onLanguage, say, sayAmount, sayDay, sayError } from "../messages.js";
import { RENEW_SECONDS, present, toText } from "../presentation.js";
import { drawCode } from "../qrcode.js";
import { openToday } from "./batches.js";

const AWAY_SECONDS = 30; // longer away than this, and the code is opened anew: it may have been scanned
const LOOK_MS = 1000;
const $ = (id) => document.getElementById(id);

export class CodeView {
  constructor(account, calendar, clock) {
    Object.assign(this, { account, calendar, clock, item: null, showing: false, openings: 0, problem: null });
    Object.assign(this, { signed: 0, leftAt: null, notices: new Map() });
    onLanguage(() => this.#words());
    // One look a second at the clock, and no longer timer: a timer stands still while the device sleeps.
    setInterval(() => this.#look(), LOOK_MS);
  }

  /** Takes a fresh credential and shows it; fetches a batch first when none is left. */
  async open() {
    this.openings += 1;
    const opening = this.openings;
    let item;
    try {
      item = await openToday(this.account, this.clock, this.calendar, () => this.#empty("fetching"));
      await this.account.set("clock", this.clock.plain);
    } catch (error) {
      if (opening === this.openings) this.#empty(codeOf(error));
      throw error;
    }
    if (opening !== this.openings) return; // somebody was quicker: that one is shown
    Object.assign(this, { item, showing: false, problem: null, leftAt: document.hidden ? this.clock.now() : null });
    this.notice("no_status", null);
    opened();
    await this.#show();
    this.#announce();
  }

  /** Shows the vaccination status in the code, or no longer; says so when there is none to show. */
  async toggleStatus() {
    if (!this.item) return;
    if (!this.item.opening.status) {
      this.notice("no_status", () => say("no_status"));
      return;
    }
    this.showing = !this.showing;
    await this.#show();
    this.#announce();
  }

  /** Nothing is signed any more until the next opening. */
  close() {
    this.openings += 1;
    this.item = null;
    $("qr").replaceChildren();
  }

  /** Nobody looks: no code stands on the screen, so that none is the first to be seen after a sleep. */
  leave() {
    this.leftAt ??= this.clock.now();
    $("qr").replaceChildren();
    $("qr").removeAttribute("data-iat");
  }

  /** Somebody looks again: the same code, signed now; another one after half a minute. */
  async comeBack() {
    const away = this.clock.now() - (this.leftAt ?? -Infinity);
    this.leftAt = null;
    if (!this.item || away < 0 || away > AWAY_SECONDS) await this.open();
    else await this.#show();
  }

  /** A sentence above the buttons, in the language of now; null takes it away. */
  notice(kind, make) {
    if (make) this.notices.set(kind, make);
    else this.notices.delete(kind);
    $("code-warning").textContent = [...this.notices.values()].map((each) => each()).join(" ");
    $("code-warning").hidden = this.notices.size === 0;
  }

  async #show() {
    const { item } = this;
    const now = this.clock.now();
    if (!item || this.leftAt !== null) return;
    if (this.calendar.day(now) !== item.day) {
      await this.open().catch(() => {}); // midnight: yesterday's code opens no door
      return;
    }
    this.signed = Math.floor(now);
    let token;
    try {
      token = await present(item.encoded, item.key, this.signed, this.showing ? item.opening : null);
    } catch (error) {
      this.#empty(codeOf(error));
      return;
    }
    if (item !== this.item || this.leftAt !== null) return;
    drawCode($("qr"), toText(token), say("code_label"));
    $("qr").dataset.iat = String(this.signed);
    $("no-code").hidden = true;
    $("qr").removeAttribute("hidden");
    this.#ring();
    this.#words();
  }

  /** The ring runs down in 15 seconds and starts again. */
  #ring() {
    const ring = $("ring");
    ring.classList.remove("running");
    ring.getBoundingClientRect(); // so that the animation starts from its beginning
    ring.classList.add("running");
  }

  #empty(problem) {
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
    $("shown").hidden = !this.showing || !this.item;
    $("shown").textContent = say("shows", { status });
    $("show-status").textContent = say(this.showing ? "hide_status" : "show_status");
    $("show-status").setAttribute("aria-pressed", String(this.showing));
    $("works-offline").hidden = !this.item;
    if (this.item) $("qr").setAttribute("aria-label", say("code_label"));
    for (const kind of this.notices.keys()) this.notice(kind, this.notices.get(kind));
    this.#sayClock();
    if (this.problem) $("no-code").textContent = this.#problemText();
  }

  #problemText() {
    const known = { fetching: "fetching", unreachable: "none_left", quota_used: "quota_left" }[this.problem];
    const values = { day: sayDay(this.calendar.day(this.clock.now())) };
    return known ? say(known, values) : sayError(this.problem, values);
  }

  /** How far the device's clock is off, as long as it is. */
  #sayClock() {
    const { ahead, isOff } = this.clock;
    const key = ahead > 0 ? "clock_ahead" : "clock_behind";
    this.notice("clock", isOff ? () => say(key, { amount: sayAmount(Math.abs(ahead)) }) : null);
  }

  async #look() {
    const now = this.clock.now();
    $("clock").textContent = new Date(now * 1000).toLocaleTimeString(document.documentElement.lang);
    if (this.clock.isOff !== this.notices.has("clock")) this.#sayClock();
    if (!this.item || this.leftAt !== null || (now >= this.signed && now < this.signed + RENEW_SECONDS)) return;
    await this.#show();
    if (this.item && !(await this.account.get("silent"))) tick();
  }
}
