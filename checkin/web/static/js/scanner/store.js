// What a scanner keeps on this device: its enrolment, public lists, a sealed queue, and hashes of codes just seen.
//
// Nothing here tells who anybody is: queue entries open only at the registry, and a hash of a visit id leads nowhere.

import { Database, settled } from "../database.js";

const STORES = {
  state: {},
  queue: { keyPath: "id", autoIncrement: true },
  seen: { keyPath: "mark" },
  findings: { keyPath: "id", autoIncrement: true },
};

export class Store {
  static async open() {
    return new Store(await Database.open("scanner", 1, STORES));
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

  /** A new enrolment; entries of an earlier one could be uploaded by nobody. */
  enrol(device) {
    return this.database.change(Object.keys(STORES), (...stores) => {
      stores.forEach((store) => store.clear());
      return stores[0].put(device, "device");
    });
  }

  /** When the code with this mark was first scanned here; undefined if it was not, or has expired since. */
  async seen(mark, now) {
    const found = await this.database.get("seen", mark);
    return found?.until >= now ? found.at : undefined;
  }

  remember(mark, at, until) {
    return this.database.change("seen", (seen) => note(seen, mark, at, until));
  }

  /** A sealed entry and its mark in one transaction: on disk before anybody is let in. */
  enqueue(sealed, at, mark, until) {
    return this.database.change(["queue", "seen"], (queue, seen) => {
      queue.add({ sealed, at });
      return note(seen, mark, at, until);
    });
  }

  /** The oldest entries after the one of the id `last`, at most `limit`. */
  oldest(limit, last = 0) {
    return this.database.read("queue", (queue) => queue.getAll(IDBKeyRange.lowerBound(last, true), limit));
  }

  waiting() {
    return this.database.read("queue", (queue) => queue.count());
  }

  /**
   * Removes entries that the registry answered for, and keeps what somebody should look at: of a refused one, who was
   * let in, the entry too. What is undecided stays.
   */
  settle(entries, results) {
    return this.database.change(["queue", "findings"], (queue, findings) => {
      entries.forEach(({ id, at, sealed }, i) => {
        const { result, code } = results[i];
        if (result === "undecided") return;
        queue.delete(id);
        if (result === "conflict") findings.add({ at, result });
        if (result === "refused") findings.add({ at, result, code, sealed });
      });
    });
  }

  findings() {
    return this.database.all("findings");
  }

  dismiss() {
    return this.database.clear("findings");
  }
}

/** Adds a mark, and forgets those whose codes have expired. */
async function note(seen, mark, at, until) {
  for (const item of await settled(seen.getAll())) if (item.until < at) seen.delete(item.mark);
  seen.put({ mark, at, until });
}
