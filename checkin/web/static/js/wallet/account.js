// What the wallet keeps on this device: its token, its credentials with their keys, receipts, settings.
//
// Keys are CryptoKeys that cannot be exported; IndexedDB stores them without anybody seeing their bytes.

import { Calendar, RETENTION_DAYS } from "../calendar.js";
import { SCREEN } from "../credential.js";
import { Database, settled } from "../database.js";
import { toHex } from "../encoding.js";

const STORES = { state: {}, held: { keyPath: "id" } };

export class Account {
  static async open() {
    const database = await Database.open("wallet", 1, STORES);
    const account = new Account(database);
    account.token = await database.get("state", "token");
    return account;
  }

  constructor(database) {
    this.database = database;
  }

  get(name) {
    return this.database.get("state", name);
  }

  set(name, value) {
    return this.database.put("state", value, name);
  }

  delete(name) {
    return this.database.delete("state", name);
  }

  /** A new account takes the place of any earlier one: its credentials are somebody else's perhaps. */
  async begin(token, vkey) {
    await this.database.change(["state", "held"], (state, held) => {
      state.clear();
      held.clear();
      state.put(token, "token");
      state.put(vkey, "vkey");
    });
    this.token = token;
  }

  /** Everything on this device is forgotten. */
  async end() {
    await this.database.change(["state", "held"], (state, held) => {
      state.clear();
      return held.clear();
    });
    this.token = undefined;
  }

  /**
   * Adds checked credentials of a batch and its receipts, in one transaction. Credentials of days before `past` go, and
   * receipts of days that are destroyed by then: the day is by the issuer's signed time, because a device's clock may be
   * wrong for a moment, and what is deleted is gone.
   */
  async take(batch, disclosures, past = 0) {
    await this.database.change(["state", "held"], async (state, held) => {
      for (const item of batch) held.put({ ...item, id: toHex(item.visitId), used: false });
      for (const item of await settled(held.getAll())) if (item.day < past) held.delete(item.id);
      const known = (await settled(state.get("disclosures"))) ?? [];
      const spelled = new Set(known.map((item) => JSON.stringify(item)));
      const fresh = disclosures.filter((item) => !spelled.has(JSON.stringify(item)));
      const gone = Calendar.date(past - RETENTION_DAYS);
      state.put([...known, ...fresh].filter(({ day }) => !(day <= gone)), "disclosures");
    });
  }

  /**
   * A fresh credential for one opening of the code, marked as used in the same transaction, so that two windows
   * never show the same one; undefined when there is none.
   */
  open(day) {
    return this.database.change("held", async (held) => {
      const all = await settled(held.getAll());
      const fresh = all.find((item) => item.day === day && item.mode === SCREEN && !item.used);
      if (fresh) held.put({ ...fresh, used: true });
      return fresh;
    });
  }

  /** How many unused credentials for a screen a day has. */
  async left(day) {
    const all = await this.database.all("held");
    return all.filter((item) => item.day === day && item.mode === SCREEN && !item.used).length;
  }

  /** Unused credentials for a screen that show no status go, so that the next batch can show one. */
  dropUnused() {
    return this.database.change("held", async (held) => {
      for (const item of await settled(held.getAll())) if (!item.used && item.mode === SCREEN) held.delete(item.id);
    });
  }
}
