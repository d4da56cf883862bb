// First use: who, the code from the message, a shake to try it.

import { object, text } from "../answer.js";
import { request } from "../api.js";
import { say, sayError } from "../messages.js";
import { allowShake } from "./shake.js";

const $ = (id) => document.getElementById(id);
const STEPS = ["step-who", "step-code", "step-shake"];

export class Setup {
  /** @param {(token: string) => Promise<void>} registered called with the wallet token */
  constructor(registered, done) {
    Object.assign(this, { registered, done, registration: null });
    $("step-who").addEventListener("submit", (event) => this.#submit(event, () => this.#send()));
    $("step-code").addEventListener("submit", (event) => this.#submit(event, () => this.#confirm()));
    $("step-back").addEventListener("click", () => this.step(0));
    $("shake-done").addEventListener("click", async () => this.done(await allowShake()));
    $("shake-skip").addEventListener("click", () => this.done(false));
  }

  /** Shows one of the three steps. */
  step(number) {
    STEPS.forEach((id, i) => ($(id).hidden = i !== number));
    [...document.querySelectorAll(".steps li")].forEach((mark, i) => mark.classList.toggle("past", i <= number));
    $("setup-error").hidden = true;
    $("spoken").textContent = say("step_of", { step: number + 1 });
    $(STEPS[number]).querySelector("input, button").focus();
  }

  async #send() {
    const body = { name: $("name").value.trim(), phone: $("phone").value.trim() };
    const answer = await request("POST", "/v1/registrations", { body, answer: object({ registration_id: text }) });
    this.registration = answer.registration_id;
    this.step(1);
  }

  async #confirm() {
    const body = { code: $("one-time").value.trim() };
    const path = `/v1/registrations/${encodeURIComponent(this.registration)}/confirm`;
    const { wallet_token: token } = await request("POST", path, { body, answer: object({ wallet_token: text }) });
    await this.registered(token);
    this.step(2);
  }

  async #submit(event, work) {
    event.preventDefault();
    const button = event.target.querySelector("[type=submit]");
    button.disabled = true;
    $("setup-error").hidden = true;
    try {
      await work();
    } catch (error) {
      $("setup-error").textContent = sayError(error.code ?? "other");
      $("setup-error").hidden = false;
    } finally {
      button.disabled = false;
    }
  }
}
