// The line to the registry: falls to offline by itself, comes back by itself, and then uploads what waits.

import { listOf, object, oneOf, optional, text } from "../answer.js";
import { request } from "../api.js";
import { base64urlEncode } from "../encoding.js";
import { Refusal } from "../errors.js";
import { randomBytes } from "../primitives.js";

const BATCH_LIMIT = 1000;
const BATCH_STEP = 50;
const BATCH_PATIENCE_MS = 60_000; // what the server has for a request
const FIRST_PAUSE_MS = 4000;
const REFRESH_MS = 60_000; // also the longest pause
const PATIENCE_MS = 4000;
const ROUNDS = 3;
const OUTCOME = oneOf("accepted", "repeated", "conflict", "refused", "undecided");
const DIGEST = (value) => text(value) && /^[A-Za-z0-9_-]{43}$/.test(value);
const DIGESTS = object({ own: DIGEST, issuers: listOf(DIGEST) });
const RESULTS = object({ results: listOf(object({ result: OUTCOME, code: optional(text) })) });

export class Link extends EventTarget {
  /** Fires "change" whenever something a steward sees is different. */
  constructor(store, trust, device, clock, time = null) {
    super();
    Object.assign(this, { store, trust, device, clock, online: false, problem: null, uploaded: null, timer: 0 });
    Object.assign(this, { time, heard: null, failures: 0, stuck: 0 });
    this.batch = BATCH_LIMIT;
    this.lists = new Map(); // digest → what it stands for, of the newest answer
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
    this.failures = Math.max(1, this.failures);
    this.#changed();
    this.#again();
  }

  /** Asks for the lists and the time, then uploads; calls itself again for as long as the page is open, whatever happens. */
  async try() {
    if (this.ended.signal.aborted) return;
    clearTimeout(this.timer);
    try {
      // Two windows of one scanner take turns, or both would upload the same entries.
      if (navigator.locks) await navigator.locks.request("scanner-link", () => this.#work());
      else await this.#work();
    } catch (error) {
      console.error(error);
      this.online = false;
      this.problem = error.code ?? "other";
    } finally {
      this.failures = this.online ? 0 : this.failures + 1;
      this.#changed();
      this.#again();
    }
  }

  /** Online is who has done the whole round: the lists are fetched, and what waits is uploaded. */
  async #work() {
    let refused = null;
    try {
      await this.#refresh().catch((error) => {
        // Lists that are refused keep no visit here. But the queue goes to the pinned registry only.
        if (!(error instanceof Refusal) || !this.trust.met) throw error;
        refused = error;
      });
      await this.#upload();
      this.online = !refused;
      this.problem = refused?.code ?? null;
      if (this.online) this.heard = this.clock();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.online = false;
      this.problem = refused?.code ?? (error.code === "unreachable" ? null : error.code);
    }
  }

  async #refresh() {
    this.trust.met = false;
    const { answer, nonce, ownTime } = await this.#toldLists();
    if (this.time) {
      this.time.tell(await this.trust.timeTold(answer, nonce), ownTime);
      await this.store.set("clock", this.time.kept);
    }
    await this.store.set("trust", await this.trust.update(answer, nonce, this.clock())); // by the time just told
  }

  /** An answer to a question of this moment, with all its lists. Where some had to be fetched it is asked once more, so
      that fetching does not count as the time that the answer took; where a cache on the way has not what the registry
      named, or the registry knows no digests, it is asked for the lists themselves. */
  async #toldLists() {
    let cached = true;
    for (let left = ROUNDS - 1; left >= 0; left -= 1) {
      const nonce = base64urlEncode(randomBytes(16));
      const [ownTime, waiting] = [this.time?.asked(), await this.store.waiting()];
      const query = `${cached && left ? "digests=true&" : ""}nonce=${nonce}&waiting=${waiting}`;
      const told = await this.#ask("GET", `/v1/trust?${query}`);
      const { own, issuers, ...rest } = told;
      if (!DIGESTS(told)) return { answer: told, nonce, ownTime };
      const wanted = [own, ...issuers];
      this.lists = new Map([...this.lists].filter(([digest]) => wanted.includes(digest)));
      if (wanted.every((digest) => this.lists.has(digest))) {
        const answer = { ...rest, ...this.lists.get(own), issuers: issuers.map((digest) => this.lists.get(digest)) };
        return { answer, nonce, ownTime };
      }
      cached = await this.#fetch(wanted.filter((digest) => !this.lists.has(digest)));
    }
    throw new Refusal("unreachable");
  }

  /** Whether these lists are known now: what a digest stands for never changes, so any cache on the way may have it. */
  async #fetch(digests) {
    try {
      for (const digest of digests) {
        this.lists.set(digest, await request("GET", `/v1/lists/${digest}`, { patience: PATIENCE_MS, digest }));
      }
      return true;
    } catch (error) {
      if (error instanceof Refusal) return false;
      throw error;
    }
  }

  /** What waits here, and then what waits of enrolments from before, with their own tokens. */
  async #upload() {
    await this.#uploadOf(this.device.scanner_token);
    let stuck = 0;
    for (const gate of await this.store.former()) {
      try {
        await this.#uploadOf(gate.scanner_token, gate.scanner_id);
      } catch (error) {
        if (error.code !== "unauthorized" && error.code !== "forbidden") throw error;
        stuck += (await this.store.oldest(Infinity, 0, gate.scanner_id)).length;
      }
    }
    this.stuck = stuck;
  }

  /** Each entry once; what is undecided stays for the next round. */
  async #uploadOf(token, gate) {
    let last = 0;
    for (;;) {
      const entries = await this.store.oldest(this.batch, last, gate);
      if (!entries.length) return;
      const body = { sealed: entries.map((entry) => entry.sealed) };
      const options = { token, body, patience: BATCH_PATIENCE_MS, answer: RESULTS };
      const { results } = await this.#ask("POST", "/v1/check-ins/batch", options).catch((error) => {
        // SPEC scanner.md §7: "Without an answer, half as many the next time"; slowly more again.
        if (error.code === "unreachable") this.batch = Math.max(1, Math.floor(entries.length / 2));
        throw error;
      });
      // SPEC scanner.md §7: "An entry leaves the queue by the registry's answer to it, and by nothing else."
      if (results.length !== entries.length) throw new Refusal("unreachable");
      await this.store.settle(entries, results);
      last = entries.at(-1).id;
      this.batch = Math.min(BATCH_LIMIT, this.batch + BATCH_STEP);
      this.uploaded = this.clock();
      this.#changed();
    }
  }

  #ask(method, path, options = {}) {
    return request(method, path, { token: this.device.scanner_token, patience: PATIENCE_MS, ...options });
  }

  /** After failures in growing pauses of random length: a registry that is back is not asked by all gates at once. */
  #again() {
    clearTimeout(this.timer);
    if (this.ended.signal.aborted) return;
    const longest = this.failures ? Math.min(REFRESH_MS, FIRST_PAUSE_MS * 2 ** (this.failures - 1)) : REFRESH_MS;
    const wait = this.failures ? longest * (0.5 + Math.random() / 2) : longest;
    this.timer = setTimeout(() => this.try(), wait);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
