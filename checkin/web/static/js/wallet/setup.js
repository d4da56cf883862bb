// First use: who, the code from the message, a shake to try it.
//
// What is to be confirmed outlives a reload and the way to the messages and back: its number is kept until it expires, name
// and phone as long as the tab, so that the code can be sent again.

import { number, object, optional, text } from "../answer.js";
import { request } from "../api.js";
import { codeOf } from "../errors.js";
import { accept, refuse } from "../form.js";
import { onLanguage, say, sayError, tell } from "../messages.js";
import { cleanCode } from "./clean.js";
import { allowShake } from "./shake.js";

const $ = (id) => document.getElementById(id);
const STEPS = ["step-who", "step-code", "step-shake"];
const AGAIN_SECONDS = 60; // an issuer sends one code a minute to a phone
const WAITING = "registration";
const LIFE_SECONDS = 300;
const FIELDS = {
  name_invalid: "name",
  phone_invalid: "phone",
  phone_country: "phone",
  phone_not_mobile: "phone",
  code_wrong: "one-time",
  code_form: "one-time",
  recovery_wrong: "recovery",
};
const BEGUN = object({ registration_id: text, expires_in: optional(number) });
const CONFIRMED = object({ wallet_token: text, recovery_code: optional(text) });

export class Setup {
  /** `registered` is called with the wallet token, `done` at the end with whether shaking is allowed. */
  constructor(account, clock, { registered, done }) {
    Object.assign(this, { account, clock, registered, waiting: null });
    $("step-who").addEventListener("submit", (event) => this.#submit(event, () => this.#send()));
    $("step-code").addEventListener("submit", (event) => this.#submit(event, () => this.#confirm()));
    $("one-time").addEventListener("input", () => this.#tidy());
    $("send-again").addEventListener("click", () => this.#again());
    $("step-back").addEventListener("click", () => this.step(0));
    $("step-forward").addEventListener("click", () => this.step(1));
    $("shake-done").addEventListener("click", async () => done(await allowShake()));
    $("shake-skip").addEventListener("click", () => done(false));
    onLanguage(() => this.#count());
    setInterval(() => this.#count(), 1000);
  }

  /** The first step, or the second where a code is on its way; with what is to be told first, if anything. */
  async begin(farewell = null) {
    $("farewell").hidden = farewell === null;
    if (farewell) tell($("farewell"), farewell);
    const waiting = await this.account.get(WAITING);
    if (waiting && waiting.expires <= this.clock.now()) await this.account.delete(WAITING);
    else this.waiting = waiting ?? null;
    const { name = "", phone = "" } = JSON.parse(sessionStorage.getItem(WAITING) ?? "{}");
    $("name").value ||= name;
    $("phone").value ||= phone;
    this.step(this.waiting ? 1 : 0);
    if (farewell) $("farewell").focus();
  }

  /** Shows one of the three steps. */
  step(number) {
    STEPS.forEach((id, i) => ($(id).hidden = i !== number));
    [...document.querySelectorAll(".steps li")].forEach((mark, i) => mark.classList.toggle("past", i <= number));
    accept($("setup"), $("setup-error"));
    this.#count();
    tell($("spoken"), () => say("step_of", { step: number + 1 }));
    $(STEPS[number]).querySelector("input, button").focus();
  }

  async #send() {
    const body = { name: $("name").value.trim(), phone: $("phone").value.trim() };
    const { registration_id: id, expires_in: life } = await request("POST", "/v1/registrations", { body, answer: BEGUN });
    const now = this.clock.now();
    this.waiting = { id, expires: now + (life ?? LIFE_SECONDS), again: now + AGAIN_SECONDS };
    await this.account.set(WAITING, this.waiting);
    sessionStorage.setItem(WAITING, JSON.stringify(body));
    $("one-time").value = "";
    this.step(1);
  }

  async #confirm() {
    const recovery = $("recovery").value.trim();
    const body = { code: cleanCode($("one-time").value), ...(recovery && { recovery_code: recovery }) };
    const path = `/v1/registrations/${encodeURIComponent(this.waiting?.id ?? "")}/confirm`;
    const confirmed = await request("POST", path, { body, answer: CONFIRMED });
    await this.registered(confirmed.wallet_token, confirmed.recovery_code);
    sessionStorage.removeItem(WAITING);
    this.waiting = null; // the account has forgotten it, too
    this.step(2);
  }

  /** The same name and phone once more; where a reload of the app has lost them, they are asked for. */
  async #again() {
    if (!$("name").value.trim() || !$("phone").value.trim()) return this.step(0);
    return this.#guarded($("send-again"), () => this.#send());
  }

  /** A whole message that was pasted becomes the code in it. */
  #tidy() {
    try {
      $("one-time").value = cleanCode($("one-time").value);
    } catch {
      // not there yet
    }
  }

  /** How long until a code may be sent again, and whether the one that was sent still counts. */
  #count() {
    const now = this.clock.now();
    const left = Math.min(AGAIN_SECONDS, Math.ceil((this.waiting?.again ?? 0) - now));
    $("send-again").setAttribute("aria-disabled", String(left > 0));
    $("send-again").textContent = left > 0 ? say("send_again_in", { seconds: left }) : say("send_again");
    $("step-forward").hidden = !this.waiting || this.waiting.expires <= now;
  }

  #submit(event, work) {
    event.preventDefault();
    return this.#guarded(event.target.querySelector("[type=submit]"), work);
  }

  async #guarded(button, work) {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.disabled = true;
    accept($("setup"), $("setup-error"));
    let refused = null;
    try {
      await work();
    } catch (error) {
      refused = codeOf(error);
    }
    button.disabled = false; // before anything is focused
    if (refused) this.#refuse(refused);
  }

  #refuse(code) {
    const step = STEPS.find((id) => !$(id).hidden);
    const field = FIELDS[code] ?? (step === "step-code" ? "one-time" : "name");
    const values = { countries: document.body.dataset.countries };
    refuse($(field), $("setup-error"), () => sayError(code, values), { fault: code in FIELDS });
  }
}
