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

  /** A new enrolment. What waits of the one before keeps its name, and the token that it is uploaded with. */
  enrol(device) {
    return this.database.change(["state", "queue", "seen"], async (state, queue, seen) => {
      const before = await settled(state.get("device"));
      const former = (await settled(state.get("former"))) ?? [];
      const own = (await settled(queue.getAll())).filter((entry) => !entry.gate);
      if (before && own.length) {
        for (const entry of own) queue.put({ ...entry, gate: before.scanner_id });
        former.push(before);
      }
      // Who comes back to a gate takes over what waited of it.
      for (const entry of await settled(queue.getAll())) {
        if (entry.gate === device.scanner_id) queue.put({ id: entry.id, sealed: entry.sealed, at: entry.at });
      }
      state.clear();
      seen.clear();
      state.put(former.filter((gate) => gate.scanner_id !== device.scanner_id), "former");
      return state.put(device, "device");
    });
  }

  /** Enrolments from before, of which entries may wait. */
  async former() {
    return (await this.get("former")) ?? [];
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

  /** The oldest entries after the one of the id `last`, at most `limit`: the present enrolment's, or a former `gate`'s. */
  async oldest(limit, last = 0, gate = undefined) {
    const after = await this.database.read("queue", (queue) => queue.getAll(IDBKeyRange.lowerBound(last, true)));
    return after.filter((entry) => entry.gate === gate).slice(0, limit);
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
      entries.forEach(({ id, at, sealed, gate }, i) => {
        const { result, code } = results[i];
        if (result === "undecided") return;
        queue.delete(id);
        if (result === "conflict") findings.add({ at, result });
        if (result === "refused") findings.add({ at, result, code, sealed, gate });
      });
    });
  }

  findings() {
    return this.database.all("findings");
  }

  /** Refused entries wait in the queue again. */
  retry() {
    return this.database.change(["queue", "findings"], async (queue, findings) => {
      for (const { id, at, sealed, gate } of await settled(findings.getAll())) {
        if (!sealed) continue;
        queue.add(gate ? { at, sealed, gate } : { at, sealed });
        findings.delete(id);
      }
    });
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
