// What a scanner verifies with, kept over restarts: pinned verifier keys, and the keys of the days around now. The same
// rules as checkin/parties/scanner_trust.py: notes are opened here, under pinned keys, the first key seen for a day is final, and once a
// log is pinned a list counts only with its inclusion under a head that witnesses saw.

import { Calendar } from "./calendar.js";
import { byKid } from "./credential.js";
import { Refusal } from "./errors.js";
import { merge, readIntakeList, readIssuerList } from "./keylist.js";
import { openNote, parseVkey } from "./note.js";
import { PinnedLog } from "./pinnedlog.js";
import { readSignedTime } from "./signedtime.js";

const STALE_SECONDS = 24 * 3600;
const MAX_SKEW_SECONDS = 10; // a scanner further off refuses good codes and admits old ones
const CUT_SECONDS = 0.5; // the registry's time is cut to the second
const HORIZON_DAYS = 15; // lists reach 14 days ahead; a thief of a list's key does not own the years to come
const CLOSING_DAYS = 4; // days before that take no uploads any more
const NOTHING = {
  registryVkey: "",
  issuerVkeys: new Map(), // issuer → vkey
  log: null, // {vkey, witnesses, quorum} of the log that lists must be in, once one was told
  issuers: new Map(), // issuer → Map(day → {kid hex, public})
  intake: new Map(), // day → {public}
  rule: [],
  zone: "Asia/Seoul",
  venue: "",
  time: 0, // when the registry's time was last heard, by this device's clock
};

export class Trust {
  /** @param {object|undefined} stored what an earlier update returned */
  constructor(stored) {
    this.skewed = false; // whether this device's clock was off at the last answer
    this.met = false; // whether the last answer was the pinned registry's
    this.passed = []; // issuers whose list in it was passed over
    this.#take({ ...NOTHING, ...stored });
  }

  /**
   * Takes over an answer of GET /v1/trust?nonce=…, whole or not at all, but for single issuers' lists: one that is refused
   * stops no other's, and what was known of it stays, as long as any could be taken. What is to be stored. `now` is
   * this device's time. Refusal: clock_wrong, note_malformed, note_untrusted, proof_invalid, list_refused,
   * service_error for an answer of another form.
   */
  async update(answer, nonce, now) {
    this.met = false;
    try {
      return await this.#update(answer, nonce, now);
    } catch (error) {
      throw error instanceof Refusal ? error : new Refusal("service_error");
    }
  }

  async #update(answer, nonce, now) {
    const known = this.stored;
    // Keys once pinned stay: a registry that is taken over cannot put others in their place.
    const registryVkey = known.registryVkey || answer.registry.vkey;
    const registry = await parseVkey(registryVkey);
    // SPEC scanner.md §4: "The time note opens under the pinned registry key"
    const time = await readSignedTime(told(answer.time_note), registry, nonce);
    this.met = true;
    this.skewed = Math.abs(time + CUT_SECONDS - now) > MAX_SKEW_SECONDS;
    if (this.skewed) throw new Refusal("clock_wrong");
    const today = new Calendar(answer.zone).day(now);
    const log = await PinnedLog.of(known.log, answer.log);
    const { issuers, issuerVkeys, passed } = await this.#issuers(answer.issuers, log, today);
    const text = await openList(answer.intake, registry, log, answer.intake_proof);
    const intake = around(today, known.intake, readIntakeList(text).keys);
    const { status_rule: rule, zone, venue } = answer;
    if (!Array.isArray(rule)) throw new Refusal("service_error");
    const pinned = { registryVkey, issuerVkeys, log: log?.plain ?? null };
    this.#take({ ...pinned, issuers, intake, rule, zone, venue: venue.name, time: now });
    this.passed = passed;
    return this.stored;
  }

  /** What is known of the issuers together with their new lists; the first refusal if none of these can be taken. */
  async #issuers(told, log, today) {
    const [issuers, issuerVkeys] = [new Map(this.stored.issuers), new Map(this.stored.issuerVkeys)];
    const [passed, refusals] = [[], []];
    for (const { issuer, vkey, list, proof } of told) {
      try {
        const pinned = issuerVkeys.get(issuer) ?? vkey;
        const listed = await readIssuerList(await openList(list, await parseVkey(pinned), log, proof));
        if (listed.issuer !== issuer) throw new Refusal("note_untrusted");
        issuers.set(issuer, around(today, issuers.get(issuer), listed.keys));
        issuerVkeys.set(issuer, pinned);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        passed.push(issuer);
        refusals.push(error);
      }
    }
    // SPEC scanner.md §4: "With none left the answer is refused."
    if (refusals.length && refusals.length === told.length) throw refusals[0];
    return { issuers, issuerVkeys, passed };
  }

  /** The registry's time in an answer, unix seconds cut to one. Refusal as `update`. */
  async timeTold(answer, nonce) {
    try {
      const registry = await parseVkey(this.stored.registryVkey || answer.registry.vkey);
      return await readSignedTime(told(answer.time_note), registry, nonce);
    } catch (error) {
      throw error instanceof Refusal ? error : new Refusal("service_error");
    }
  }

  /** Refusal scanner_stale without outside time for 24 hours, clock_wrong before the last time told, or known to be off. */
  requireTime(now) {
    const { time } = this.stored;
    if (this.skewed || now < time - MAX_SKEW_SECONDS) throw new Refusal("clock_wrong");
    // SPEC scanner.md §5: "More than 24 hours since the registry's time was heard"
    if (now - time > STALE_SECONDS) throw new Refusal("scanner_stale");
  }

  /** All issuers' keys of a day by kid. */
  keysOfDay(day) {
    const listed = [...this.stored.issuers].filter(([, keys]) => keys.has(day));
    return byKid(listed.map(([issuer, keys]) => ({ issuer, ...keys.get(day) })));
  }

  #take(stored) {
    Object.assign(this, { stored, rule: stored.rule, intake: stored.intake, calendar: new Calendar(stored.zone) });
  }
}

/** A note out of an answer; service_error for none. */
function told(note) {
  if (typeof note !== "string") throw new Refusal("service_error");
  return note;
}

/** The text of a list that its owner signed and, where a log is pinned, that is in it. */
async function openList(note, owner, log, proof) {
  await log?.require(note, proof);
  return (await openNote(note, [owner])).text;
}

/** What is known of the days around today, together with a list's; list_refused where it contradicts. */
function around(today, known = new Map(), listed) {
  // SPEC scanner.md §4: "Days more than 15 ahead are ignored."
  const near = [...listed].filter(([day]) => day <= today + HORIZON_DAYS);
  return new Map([...merge(known, new Map(near))].filter(([day]) => day >= today - CLOSING_DAYS));
}
