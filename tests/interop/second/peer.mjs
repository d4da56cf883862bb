// The second wallet or scanner as a judged program: `node peer.mjs wallet|scanner`, in the lines of docs/spec/conformance.md.
import * as fs from "node:fs";

import { Refusal, parties } from "./parties.mjs";

const NAME = process.argv[2];
const FILE = `${NAME}.json`;
let unread = "";

const peer = {
  state: fs.existsSync(FILE) ? JSON.parse(fs.readFileSync(FILE, "utf-8")) : {},
  clock: { now: 0, steady: 0 },
  save() {
    fs.writeFileSync(`${FILE}.new`, JSON.stringify(peer.state), { mode: 0o600, flush: true });
    fs.renameSync(`${FILE}.new`, FILE);
  },
  exchange(request) {
    write({ ask: request });
    return line().answer;
  },
};

/** The next line, which tells the time; the program ends where there is none. */
function line() {
  const buffer = Buffer.alloc(65536);
  while (!unread.includes("\n")) unread += buffer.toString("latin1", 0, fs.readSync(0, buffer) || process.exit()); // ASCII
  const end = unread.indexOf("\n");
  peer.clock = JSON.parse(unread.slice(0, end));
  unread = unread.slice(end + 1);
  return peer.clock;
}

function write(content) {
  fs.writeSync(1, `${JSON.stringify(content)}\n`);
}

const { clockOff, ...named } = parties(peer);
const party = named[NAME];
for (;;) {
  let said;
  try {
    said = { done: party[line().do](peer.clock) ?? {} };
  } catch (error) {
    if (!(error instanceof Refusal)) process.stderr.write(`${error.stack}\n`);
    said = { refused: error instanceof Refusal ? error.message : "service_error", clock: clockOff() };
  }
  peer.save();
  write(said);
}
