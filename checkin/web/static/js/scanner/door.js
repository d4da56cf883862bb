// A code at the door: checked in the protocol's order without a network, then recorded at the registry or queued.

import { object, oneOf } from "../answer.js";
import { request } from "../api.js";
import { base64urlEncode, fromHex } from "../encoding.js";
import { Refusal } from "../errors.js";
import { sealEntry } from "../intake.js";
import { toText, verifyText, windowOf } from "../presentation.js";
import { randomBytes, sha256 } from "../primitives.js";

const PATIENCE_MS = 2500; // nobody waits longer at a door; after that the scan is queued
const SCAN_ID_SIZE = 16;
const OF_TIME = ["token_expired", "token_not_yet_valid", "wrong_day"];
const TAKEN = object({ result: oneOf("accepted", "repeated") });

/** A refusal of a second use: when and where the first was, as far as this door knows. */
export class UsedBefore extends Refusal {
  constructor({ here, secondsAgo = null }) {
    super("already_used");
    Object.assign(this, { here, secondsAgo });
  }
}

export class Door {
  /**
   * @param {import("./store.js").Store} store
   * @param {import("../trust.js").Trust} trust
   * @param {{online: boolean, lost: () => void}} link
   * @param {import("./time.js").ToldTime} time
   */
  constructor(store, trust, device, link, time) {
    Object.assign(this, { store, trust, device, link, time });
    this.place = { venue: fromHex(device.venue_id), scanner: fromHex(device.scanner_id) };
  }

  /**
   * "accepted" or "queued"; throws the Refusal of the first check that fails. A refused code is never queued, and
   * the status, if one was shown, goes no further than this function.
   */
  async scan(text) {
    const now = this.time.now();
    this.trust.requireTime(now);
    const keysOfDay = (day) => this.trust.keysOfDay(day);
    const verified = await verifyText(text, now, this.trust.calendar, keysOfDay, this.trust.rule).catch((error) => {
      // It may be this device that is wrong about the time, and not the visitor.
      throw OF_TIME.includes(error.code) ? Object.assign(error, { clockDoubtful: !this.time.proved() }) : error;
    });
    const mark = base64urlEncode((await sha256(verified.credential.visitId)).slice(0, 12));
    const first = await this.store.seen(mark, now);
    if (first !== undefined) throw new UsedBefore({ here: true, secondsAgo: Math.round(now - first) });
    const scanId = randomBytes(SCAN_ID_SIZE);
    const until = windowOf(verified, this.trust.calendar)[1];
    if (this.link.online && (await this.#submit(verified, scanId))) {
      // It is recorded: what cannot be remembered here, of a second use, the registry knows.
      await this.store.remember(mark, now, until).catch(console.error);
      return "accepted";
    }
    await this.#enqueue(verified, scanId, now, mark, until);
    return "queued";
  }

  /** Whether the registry took it; false without an answer. The same scan id later makes a doubtful one harmless. */
  async #submit(verified, scanId) {
    const body = { token: toText(verified.encoded), scan_id: base64urlEncode(scanId) };
    const options = { token: this.device.scanner_token, body, patience: PATIENCE_MS, answer: TAKEN };
    try {
      await request("POST", "/v1/check-ins", options);
      return true;
    } catch (error) {
      if (error.code === "already_used") throw new UsedBefore({ here: error.sameVenue });
      // SPEC scanner.md §6: "A refusal that the registry itself coded is shown."
      if (error.status < 500 && error.status !== 429) throw error;
      this.link.lost();
      return false;
    }
  }

  async #enqueue(verified, scanId, now, mark, until) {
    const { day } = verified.credential;
    const key = this.trust.intake.get(day);
    if (!key) throw new Refusal("scanner_stale");
    const scan = { scannedAt: Math.floor(now), scanId, token: verified.encoded };
    const sealed = base64urlEncode(await sealEntry(scan, day, this.place, key.public));
    await this.store.enqueue(sealed, now, mark, until);
  }
}
