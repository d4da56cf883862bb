// Behind "More": receipts, what is held, vaccination proof, paper codes, settings, forget me.

import { listOf, nothing, number, object, optional, text } from "../answer.js";
import { request } from "../api.js";
import { Calendar, RETENTION_DAYS } from "../calendar.js";
import { codeOf } from "../errors.js";
import { accept, refuse } from "../form.js";
import { onLanguage, say, sayDay, sayError, tell } from "../messages.js";
import { cleanCertificate } from "./clean.js";
import { makeSheet } from "./paper.js";
import { allowShake } from "./shake.js";

const STATUS = object({ status: number, valid_from: text, valid_until: text });
const HELD = object({ name: text, phone: text, registered: text, status: optional(STATUS), days: listOf(text) });
const GONE = object({ identity_destroyed_on: optional(text), backups_unreadable_from: optional(text) });
const $ = (id) => document.getElementById(id);

function element(tag, text, name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = name;
  return made;
}

export class More {
  constructor(account, calendar, clock, { forgotten, proved }) {
    Object.assign(this, { account, calendar, clock, proved });
    $("ask-held").addEventListener("click", () => this.#held());
    $("proof").addEventListener("submit", (event) => this.#prove(event));
    $("proof-picture").addEventListener("change", () => this.#readPicture());
    $("proof-forget").addEventListener("click", () => this.#takeBack());
    $("paper-today").addEventListener("click", () => this.#print(0));
    $("paper-tomorrow").addEventListener("click", () => this.#print(1));
    $("shake-setting").addEventListener("click", () => this.#setShake());
    $("tick-setting").addEventListener("click", () => this.#setTick());
    $("forget").addEventListener("click", () => $("sure").showModal());
    $("sure").addEventListener("close", () => $("sure").returnValue === "yes" && this.#forget(forgotten));
    onLanguage(() => this.show());
  }

  /** Fills in what this device knows. */
  async show() {
    if (!this.account.token) return;
    const today = this.calendar.day(this.clock.now());
    const counts = { today: await this.account.left(today), tomorrow: await this.account.left(today + 1) };
    $("held-here").textContent = say("held_here", counts);
    const receipts = (await this.account.get("disclosures")) ?? [];
    $("no-receipts").hidden = receipts.length > 0;
    $("receipt-list").hidden = receipts.length === 0;
    $("receipt-list").replaceChildren(...receipts.map(receiptCard));
    const recovery = await this.account.get("recovery");
    $("recovery-shown").hidden = !recovery;
    $("recovery-code").textContent = recovery ?? "";
    if (this.answer || this.problem) this.#tellHeld();
    $("shake-setting").setAttribute("aria-pressed", String(Boolean(await this.account.get("shake"))));
    $("tick-setting").setAttribute("aria-pressed", String(!(await this.account.get("silent"))));
  }

  #ask(method, path, answer, body) {
    return request(method, path, { token: this.account.token, body, answer });
  }

  async #held() {
    try {
      this.answer = await this.#ask("GET", "/v1/wallet", HELD);
      this.problem = null;
    } catch (error) {
      this.problem = codeOf(error);
    }
    this.#tellHeld();
    $("held-list").hidden = false;
  }

  /** The issuer's answer in the words of this page, so that it is in one language. */
  #tellHeld() {
    if (this.problem) {
      $("held-list").replaceChildren(pair(["", sayError(this.problem)]));
      return;
    }
    const { name, phone, registered, status, days } = this.answer;
    const until = (date) => say("held_until", { until: dateText(date) });
    const due = (date) => Calendar.date(Calendar.parseDate(date) + RETENTION_DAYS);
    const rows = [
      [say("name"), name],
      [say("phone"), phone],
      [say("registered"), dateText(registered)],
      [say("held_identity"), `${say("held_identity_why")}; ${say("held_identity_until")}`],
      ...(status ? [[say(`status_${status.status}`), until(status.valid_until)]] : []),
      ...days.map((day) => [say("held_day", { day: dateText(day) }), until(due(day))]),
      [say("not_held"), ...[1, 2, 3].map((number) => say(`not_held_${number}`))],
    ];
    $("held-list").replaceChildren(...rows.map(pair));
  }

  async #prove(event) {
    event.preventDefault();
    await this.#result("proof-result", async () => {
      const body = { certificate: await cleanCertificate($("certificate").value) };
      const { status, valid_until: until } = await this.#ask("PUT", "/v1/vaccination", STATUS, body);
      $("proof").reset();
      await this.proved();
      return () => say("proof_good", { status: say(`status_${status}`), until: dateText(until) });
    }, $("certificate"));
  }

  async #readPicture() {
    const [file] = $("proof-picture").files;
    if (!file) return;
    await this.#result("proof-result", async () => {
      // A megabyte that most people never need: loaded when it is.
      const { readPicture } = await import("../decoder.js");
      $("certificate").value = await readPicture(file);
      return null;
    }, $("proof-picture"));
  }

  async #takeBack() {
    await this.#result("proof-result", async () => {
      await this.#ask("DELETE", "/v1/vaccination", nothing);
      return () => say("proof_gone");
    });
  }

  async #print(ahead) {
    await this.#result("paper-result", async () => {
      const sheet = $("paper");
      await makeSheet(this.account, this.clock, this.calendar, this.calendar.day(this.clock.now()) + ahead, sheet);
      sheet.hidden = false;
      print();
      return null;
    });
  }

  async #setShake() {
    const on = !(await this.account.get("shake")) && (await allowShake());
    await this.account.set("shake", on);
    await this.show();
  }

  async #setTick() {
    await this.account.set("silent", !(await this.account.get("silent")));
    await this.show();
  }

  async #forget(forgotten) {
    await this.#result("forget-result", async () => {
      let answer = {};
      try {
        answer = await this.#ask("DELETE", "/v1/wallet", GONE);
      } catch (error) {
        if (codeOf(error) !== "unauthorized") throw error; // that account has ended already
      }
      await this.account.end();
      this.answer = null;
      $("held-list").replaceChildren();
      await forgotten(() => farewell(answer));
      return null;
    });
  }

  /** Runs `work` and tells what it returns, a function that makes the words; what goes wrong is told in their place. */
  async #result(id, work, field = null) {
    const place = $(id);
    if (field) accept(field.form, place);
    tell(place, () => "…");
    place.className = "";
    place.hidden = false;
    try {
      tell(place, (await work()) ?? (() => ""));
    } catch (error) {
      const code = codeOf(error);
      place.className = "bad";
      if (field) refuse(field, place, () => sayError(code), { fault: code.startsWith("certificate_") });
      else tell(place, () => sayError(code));
    }
  }
}

/** What is left after "Forget me", and until when. */
function farewell({ identity_destroyed_on: due, backups_unreadable_from: backups }) {
  const words = [say("forgotten")];
  if (due) words.push(say("forgotten_until", { until: dateText(due) }));
  if (backups) words.push(say("forgotten_backups", { until: dateText(backups) }));
  return words.join(" ");
}

function dateText(date) {
  try {
    return sayDay(Calendar.parseDate(date));
  } catch {
    return date;
  }
}

function pair([name, ...values]) {
  const row = document.createElement("div");
  row.append(element("dt", name), ...values.map((value) => element("dd", value)));
  return row;
}

function receiptCard({ authority = "–", day = "–", purpose = "–", case: number = "–" }) {
  const card = document.createElement("li");
  card.append(
    element("strong", say("receipt", { authority, day: dateText(day) })),
    element("p", say("receipt_purpose", { purpose })),
    element("p", say("receipt_case", { case: number })),
  );
  return card;
}
