// The line to the registry: falls to offline by itself, comes back by itself, and then uploads what waits.

import { request } from "../api.js";
import { base64urlEncode } from "../encoding.js";
import { Refusal } from "../errors.js";
import { randomBytes } from "../primitives.js";

const BATCH_LIMIT = 1000;
const BATCH_STEP = 50;
const BATCH_PATIENCE_MS = 60_000; // what the server has for a request
const RETRY_MS = 4000;
const REFRESH_MS = 60_000;
const PATIENCE_MS = 4000;

export class Link extends EventTarget {
  /** Fires "change" whenever something a steward sees is different. */
  constructor(store, trust, device, clock) {
    super();
    Object.assign(this, { store, trust, device, clock, online: false, problem: null, uploaded: null, timer: 0 });
    this.batch = BATCH_LIMIT;
    this.ended = new AbortController();
    addEventListener("online", () => this.try(), { signal: this.ended.signal });
    addEventListener("offline", () => this.lost(), { signal: this.ended.signal });
  }

  /** Another enrolment takes over. */
  stop() {
    clearTimeout(this.timer);
    this.ended.abort();
  }

  /** No answer: offline from now on, until one comes. */
  lost() {
    this.online = false;
    this.#changed();
    this.#again(RETRY_MS);
  }

  /** Asks for the lists and the time, then uploads; calls itself again for as long as the page is open. */
  async try() {
    if (this.ended.signal.aborted) return;
    clearTimeout(this.timer);
    // Two windows of one scanner take turns, or both would upload the same entries.
    if (navigator.locks) await navigator.locks.request("scanner-link", () => this.#work());
    else await this.#work();
    this.#again(this.online ? REFRESH_MS : RETRY_MS);
  }

  async #work() {
    let refused = null;
    try {
      await this.#refresh().catch((error) => {
        // Lists that are refused keep no visit here. But the queue goes to the pinned registry only.
        if (!(error instanceof Refusal) || !this.trust.met) throw error;
        refused = error;
      });
      this.online = !refused;
      this.problem = refused?.code ?? null;
      this.#changed();
      await this.#upload();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.online = false;
      this.problem = refused?.code ?? (error.code === "unreachable" ? null : error.code);
    }
    this.#changed();
  }

  async #refresh() {
    this.trust.met = false;
    const nonce = base64urlEncode(randomBytes(16));
    const asked = this.clock();
    const answer = await this.#ask("GET", `/v1/trust?nonce=${nonce}`);
    await this.store.set("trust", await this.trust.update(answer, nonce, asked, this.clock()));
  }

  async #upload() {
    for (;;) {
      const entries = await this.store.oldest(this.batch);
      if (!entries.length) return;
      const body = { sealed: entries.map((entry) => entry.sealed) };
      const { results } = await this.#ask("POST", "/v1/check-ins/batch", body, BATCH_PATIENCE_MS).catch((error) => {
        // The line may be too slow for so many: fewer the next time, and slowly more again.
        if (error.code === "unreachable") this.batch = Math.max(1, Math.floor(entries.length / 2));
        throw error;
      });
      // Entries leave the queue only when there is an answer for each of them.
      if (results.length !== entries.length) throw new Refusal("service_error");
      await this.store.settle(entries, results);
      this.batch = Math.min(BATCH_LIMIT, this.batch + BATCH_STEP);
      this.uploaded = this.clock();
      this.#changed();
    }
  }

  #ask(method, path, body, patience = PATIENCE_MS) {
    return request(method, path, { token: this.device.scanner_token, body, patience });
  }

  #again(wait) {
    clearTimeout(this.timer);
    if (!this.ended.signal.aborted) this.timer = setTimeout(() => this.try(), wait);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
