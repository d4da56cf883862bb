// What a scanner verifies with: lists of keys, opened here under pinned keys, and outside time (docs/spec/keys.md).

import { Calendar } from "./calendar.js";
import { Refusal } from "./errors.js";
import { merge, readIntakeList, readIssuerList } from "./keylist.js";
import { openNote, parseVkey } from "./note.js";
import { StatementType } from "./statement.js";

const STALE_SECONDS = 24 * 3600;
const MAX_SKEW_SECONDS = 10; // a scanner further off refuses good codes and admits old ones
const CUT_SECONDS = 0.5; // the registry's time is cut to the second
const TIME = new StatementType(
  "checkin/time/v1",
  { name: "service" },
  { name: "nonce" },
  { name: "time" },
  { name: "clock", optional: true },
);

export class Trust {
  /** From what was stored; every note is verified again. Where that fails, only the pinned keys are kept. */
  static async load(stored) {
    const trust = new Trust();
    if (!stored) return trust;
    try {
      await trust.#take(stored);
    } catch {
      const { registryVkey, issuerVkeys } = stored;
      trust.stored = { registryVkey, issuerVkeys, time: 0 };
    }
    return trust;
  }

  constructor() {
    Object.assign(this, { stored: null, calendar: null, rule: [], skewed: false });
    this.issuers = new Map(); // number → {issuer, keys: Map(day → {kid, public})}
    this.intake = new Map(); // day → {public}
    this.days = new Map(); // day → Map(kid → {issuer, public})
  }

  /**
   * Takes over an answer of GET /v1/trust?nonce=…; what is to be stored. The first key seen for a day is final, and
   * keys once pinned stay: a registry that is taken over cannot put others in their place.
   * Refusal: clock_wrong, note_malformed, note_untrusted, list_refused.
   */
  async update(answer, nonce, asked, now) {
    const registryVkey = this.stored?.registryVkey ?? answer.registry.vkey;
    const time = await signedTime(answer.time_note, registryVkey, nonce);
    const ahead = now - time - CUT_SECONDS;
    // Both ends of the request, because nobody knows where in between the registry looked at its clock.
    this.skewed = ahead < -MAX_SKEW_SECONDS || asked - time - CUT_SECONDS > MAX_SKEW_SECONDS;
    if (this.skewed) throw new Refusal("clock_wrong");
    const pinned = this.stored?.issuerVkeys ?? {};
    const fresh = {
      registryVkey,
      issuerVkeys: { ...Object.fromEntries(answer.issuers.map((item) => [item.issuer, item.vkey])), ...pinned },
      issuerLists: Object.fromEntries(answer.issuers.map((item) => [item.issuer, item.list])),
      intake: answer.intake,
      rule: answer.status_rule,
      zone: answer.zone,
      venue: answer.venue.name,
      time: now,
    };
    await this.#take(fresh);
    return fresh;
  }

  async #take(stored) {
    const issuers = new Map();
    for (const [number, list] of Object.entries(stored.issuerLists)) {
      const { text } = await openNote(list, [await parseVkey(stored.issuerVkeys[number])]);
      const listed = await readIssuerList(text);
      if (listed.issuer !== Number(number)) throw new Refusal("note_untrusted");
      const known = this.issuers.get(listed.issuer)?.keys ?? new Map();
      issuers.set(listed.issuer, { issuer: listed.issuer, keys: merge(known, listed.keys) });
    }
    const { text } = await openNote(stored.intake, [await parseVkey(stored.registryVkey)]);
    const intake = merge(this.intake, readIntakeList(text).keys);
    Object.assign(this, { stored, issuers, intake, rule: stored.rule, calendar: new Calendar(stored.zone) });
    this.days.clear();
  }

  /** Refusal scanner_stale without outside time for 24 hours, clock_wrong when the clock is known to be off. */
  requireTime(now) {
    if (this.skewed || (this.stored?.time && now < this.stored.time - MAX_SKEW_SECONDS)) throw new Refusal("clock_wrong");
    if (!this.stored?.time || now - this.stored.time > STALE_SECONDS) throw new Refusal("scanner_stale");
  }

  /** All issuers' keys of a day by kid. Keys that share a kid are left out: nobody can tell which was meant. */
  keysOfDay(day) {
    if (!this.days.has(day)) {
      const keys = new Map();
      const doubtful = new Set();
      for (const { issuer, keys: listed } of this.issuers.values()) {
        const key = listed.get(day);
        if (!key) continue;
        if (keys.has(key.kid)) doubtful.add(key.kid);
        keys.set(key.kid, { issuer, public: key.public });
      }
      doubtful.forEach((kid) => keys.delete(kid));
      this.days.set(day, keys);
    }
    return this.days.get(day);
  }
}

async function signedTime(note, vkey, nonce) {
  const { text } = await openNote(note ?? "", [await parseVkey(vkey)]);
  const values = TIME.read(text);
  if (values.get("nonce") !== nonce) throw new Refusal("note_untrusted");
  return Date.parse(values.get("time")) / 1000;
}
