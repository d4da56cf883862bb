// Behind "More": receipts, what is held, vaccination proof, paper codes, settings, forget me.

import { listOf, nothing, number, object, optional, text } from "../answer.js";
import { request } from "../api.js";
import { Calendar } from "../calendar.js";
import { onLanguage, say, sayDay, sayError } from "../messages.js";
import { makeSheet } from "./paper.js";
import { allowShake } from "./shake.js";

const RETENTION_DAYS = 28;
const STATUS = object({ status: number, valid_from: text, valid_until: text });
const HELD = object({ name: text, phone: text, registered: text, status: optional(STATUS), days: listOf(text) });
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
    const today = this.calendar.day(this.clock());
    const counts = { today: await this.account.left(today), tomorrow: await this.account.left(today + 1) };
    $("held-here").textContent = say("held_here", counts);
    const receipts = (await this.account.get("disclosures")) ?? [];
    $("no-receipts").hidden = receipts.length > 0;
    $("receipt-list").hidden = receipts.length === 0;
    $("receipt-list").replaceChildren(...receipts.map(receiptCard));
    if (this.answer) this.#tellHeld();
    $("shake-setting").setAttribute("aria-pressed", String(Boolean(await this.account.get("shake"))));
    $("tick-setting").setAttribute("aria-pressed", String(!(await this.account.get("silent"))));
  }

  #ask(method, path, answer, body) {
    return request(method, path, { token: this.account.token, body, answer });
  }

  async #held() {
    try {
      this.answer = await this.#ask("GET", "/v1/wallet", HELD);
      this.#tellHeld();
    } catch (error) {
      $("held-list").replaceChildren(pair(["", sayError(error.code)]));
    }
    $("held-list").hidden = false;
  }

  /** The issuer's answer in the words of this page, so that it is in one language. */
  #tellHeld() {
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
      ...[1, 2, 3].map((number) => [say("not_held"), say(`not_held_${number}`)]),
    ];
    $("held-list").replaceChildren(...rows.map(pair));
  }

  async #prove(event) {
    event.preventDefault();
    await this.#result("proof-result", async () => {
      const answer = await this.#ask("PUT", "/v1/vaccination", STATUS, { certificate: $("certificate").value.trim() });
      $("proof").reset();
      await this.proved();
      return say("proof_good", { status: say(`status_${answer.status}`), until: dateText(answer.valid_until) });
    });
  }

  async #readPicture() {
    const [file] = $("proof-picture").files;
    if (!file) return;
    await this.#result("proof-result", async () => {
      // A megabyte that most people never need: loaded when it is.
      const { readPicture } = await import("../decoder.js");
      $("certificate").value = await readPicture(file);
      return "";
    });
  }

  async #takeBack() {
    await this.#result("proof-result", async () => {
      await this.#ask("DELETE", "/v1/vaccination", nothing);
      return say("proof_gone");
    });
  }

  async #print(ahead) {
    await this.#result("paper-result", async () => {
      const sheet = $("paper");
      await makeSheet(this.account, this.calendar, this.calendar.day(this.clock()) + ahead, sheet);
      sheet.hidden = false;
      print();
      return "";
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
      try {
        await this.#ask("DELETE", "/v1/wallet", object({ text }));
      } catch (error) {
        if (error.code !== "unauthorized") throw error; // that account has ended already
      }
      await this.account.end();
      this.answer = null;
      $("held-list").replaceChildren();
      forgotten();
      return say("forgotten");
    });
  }

  async #result(id, work) {
    $(id).textContent = "…";
    try {
      $(id).textContent = await work();
      $(id).className = "";
    } catch (error) {
      $(id).textContent = sayError(error.code ?? "other");
      $(id).className = "bad";
    }
  }
}

function dateText(date) {
  try {
    return sayDay(Calendar.parseDate(date));
  } catch {
    return date;
  }
}

function pair([name, value]) {
  const row = document.createElement("div");
  row.append(element("dt", name), element("dd", value));
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
