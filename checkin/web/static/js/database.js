// A small door to IndexedDB: where a page keeps what must survive reload and restart.

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

export class Database {
  /** @param {Object<string, object>} stores options of createObjectStore by name */
  static async open(name, version, stores) {
    const database = new Database(name, version, stores);
    await database.#connect();
    return database;
  }

  constructor(name, version, stores) {
    Object.assign(this, { name, version, stores, connecting: null });
  }

  /** The connection; another one when the browser has closed it, as it may for a page that was hidden. */
  #connect() {
    this.connecting ??= this.#open().catch((error) => {
      this.connecting = null;
      throw error;
    });
    return this.connecting;
  }

  async #open() {
    const request = indexedDB.open(this.name, this.version);
    request.onupgradeneeded = () => {
      const known = request.result.objectStoreNames;
      for (const [store, options] of Object.entries(this.stores)) {
        if (!known.contains(store)) request.result.createObjectStore(store, options);
      }
    };
    const connection = await settled(request);
    const gone = () => (this.connecting = null);
    connection.onclose = gone;
    // Another tab with a newer version of the page must not wait for this one.
    connection.onversionchange = () => {
      connection.close();
      gone();
    };
    return connection;
  }

  async #transaction(...options) {
    try {
      return (await this.#connect()).transaction(...options);
    } catch (error) {
      if (error.name !== "InvalidStateError") throw error;
      this.connecting = null; // closed without a word
      return (await this.#connect()).transaction(...options);
    }
  }

  /** What a request made by `ask` finds; writes nothing, waits for no disk. */
  async read(store, ask) {
    return settled(ask((await this.#transaction(store)).objectStore(store)));
  }

  get(store, key) {
    return this.read(store, (objects) => objects.get(key));
  }

  all(store) {
    return this.read(store, (objects) => objects.getAll());
  }

  put(store, value, key) {
    return this.change(store, (objects) => objects.put(value, key));
  }

  delete(store, key) {
    return this.change(store, (objects) => objects.delete(key));
  }

  clear(store) {
    return this.change(store, (objects) => objects.clear());
  }

  /** Runs `work` in one transaction; what it returns (a request or a promise's value), once all of it is on disk. */
  async change(stores, work) {
    const transaction = await this.#transaction(stores, "readwrite", { durability: "strict" });
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const objects = [stores].flat().map((store) => transaction.objectStore(store));
    const result = await work(...objects);
    await done;
    return result instanceof IDBRequest ? result.result : result;
  }
}

export { settled };
