// The steps of "Check it yourself", in order. Each gets what the page shows, what the steps before it found, a way to ask
// the service, and what this browser remembers; it returns what it compared, or throws a Refusal.
//
// What comes back: {text, values, value, done}: which of the step's sentences to say, what to put into it, the value
// itself, and whether there was anything to compare.

import { cosignatures, parseWitness } from "../cosignature.js";
import { toHex } from "../encoding.js";
import { Refusal } from "../errors.js";
import { Log, openCheckpoint, requireRoot } from "../log.js";
import { leafHash } from "../merkle.js";
import { openNote, parseVkey } from "../note.js";
import { CLOCK, StatementType } from "../statement.js";

// The same as in checkin/purge/statement_store.py and checkin/audit/point.py; vectors: tests/vectors/notes.json.
const fields = (names) => names.split(" ").map((name) => ({ name }));
export const PURGE_REPORT = new StatementType(
  "checkin/purge-report/v1",
  ...fields("service day rows bytes root closing key commitment due done oldest-day-held days-held hold"),
  CLOCK,
);
export const AUDIT = new StatementType(
  "checkin/audit/v1",
  ...fields("service day result size root previous"),
  { name: "self-audit", repeated: true, optional: true },
  { name: "point", repeated: true },
  CLOCK,
);

const differs = (detail) => new Refusal("note_untrusted", detail);
const good = (values, value) => ({ text: "good", values, value, done: true });
const nothing = (text, values = {}) => ({ text, values, value: "", done: false });

/** The bytes as text; note_malformed for anything but UTF-8. */
function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refusal("note_malformed");
  }
}

/** A file of the service that must be there; not_found. */
async function required(ask, path) {
  const bytes = await ask(path);
  if (!bytes) throw new Refusal("not_found", path);
  return bytes;
}

/** The keys that the service gives to programs are those that the page shows. */
async function keys({ shown, found, ask }) {
  const answer = JSON.parse(textOf(await required(ask, "/v1/keys")));
  const given = [["log", answer.log], ["retention", answer.retention], ...Object.entries(answer.services)];
  if (given.length !== shown.keys.size) throw differs(`${given.length} ≠ ${shown.keys.size}`);
  found.verifiers = new Map();
  for (const [role, vkey] of given) {
    if (shown.keys.get(role) !== vkey) throw differs(`${role}: ${vkey} ≠ ${shown.keys.get(role)}`);
    found.verifiers.set(role, await parseVkey(vkey));
  }
  const former = Object.entries(answer.former).flatMap(([role, vkeys]) => vkeys.map((vkey) => [role, vkey]));
  const [told, written] = [{ ...answer, former }, shown].map((side) =>
    [...side.former.flat(), ...side.witnesses, side.quorum].join(" "),
  );
  if (told !== written) throw differs(`${told} ≠ ${written}`);
  found.former = await Promise.all(former.map(async ([role, vkey]) => ({ role, verifier: await parseVkey(vkey) })));
  found.witnesses = await Promise.all(shown.witnesses.map(parseWitness));
  const count = given.length + former.length + shown.witnesses.length;
  return good({ count }, shown.keys.get("log"));
}

/** The keys under which what is in the log may be signed: this party's, and those that it had before. */
function signersOf(role, { verifiers, former }) {
  const now = verifiers.get(role);
  return [...(now ? [now] : []), ...former.filter((one) => one.role === role).map((one) => one.verifier)];
}

/** The log's head is signed by the log's key. */
async function checkpoint({ found, ask }) {
  const verifier = found.verifiers.get("log");
  found.note = textOf(await required(ask, "/checkpoint"));
  found.head = await openCheckpoint(found.note, verifier);
  return good({ name: verifier.name, size: found.head.size }, toHex(found.head.root));
}

/** As many witnesses saw that head as the page says are needed. */
async function witnesses({ shown, found }) {
  const count = found.witnesses.length;
  if (!count) return nothing("none");
  await openCheckpoint(found.note, found.verifiers.get("log"), found.witnesses, shown.quorum);
  const times = await cosignatures(found.note, found.witnesses);
  if (!times.size) return nothing("unseen", { count });
  const moments = [...times].map(([name, time]) => `${name}: ${new Date(Number(time) * 1000).toISOString()}`);
  return good({ count, seen: times.size, quorum: shown.quorum }, moments.join(", "));
}

/** The log's files lead to the root that was signed. */
async function root({ found, ask }) {
  found.log = new Log(found.head, (path) => ask(`/${path}`));
  return good({}, toHex(await requireRoot(found.log)));
}

/** The log continues the one that this browser saw the last time. */
async function continued({ shown, found, memory }) {
  const before = memory.read();
  if (!before) return nothing("none", { size: found.head.size });
  const vkey = shown.keys.get("log");
  const former = shown.former.some(([role, other]) => role === "log" && other === before.vkey);
  if (before.vkey !== vkey && !former) throw differs(`${vkey} ≠ ${before.vkey}`);
  await found.log.requireContinues(before);
  // Nothing was rewritten, and still nobody but a person can say whose key the new one is.
  if (former) return nothing("later", { old: before.size, size: found.head.size });
  return good({ old: before.size, size: found.head.size }, toHex(before.root));
}

/** Every report on the page is in the log. While a witness is silent, the newest ones are under no published head. */
async function reports({ shown, found }) {
  found.reports = [];
  for (const report of shown.reports.filter(({ index }) => index < found.head.size)) {
    found.reports.push({ report, entry: await found.log.entry(report.index) });
  }
  if (!shown.reports.length) return nothing("none");
  const [count, newest] = [found.reports.length, found.reports[0]];
  const value = newest ? `${newest.report.index}: ${toHex(await leafHash(newest.entry))}` : "";
  const waiting = shown.reports.length - count;
  return { text: waiting ? "later" : "good", values: { count, waiting }, value, done: count > 0 };
}

/** Every report is signed by its service, and says what the page says it does. */
async function signatures({ shown, found }) {
  const names = new Set();
  for (const { report, entry } of found.reports) {
    const verifiers = signersOf(report.service, found);
    const { text } = await openNote(textOf(entry), verifiers);
    const stated = PURGE_REPORT.read(text);
    const wrong = Object.keys(report).find((name) => name !== "index" && stated.get(name) !== report[name]);
    if (wrong) throw differs(`${report.index}: ${stated.get(wrong)} ≠ ${report[wrong]}`);
    for (const { keyId } of verifiers) names.add(`${report.service}+${toHex(keyId)}`);
  }
  if (!names.size) return nothing(shown.reports.length ? "later" : "none");
  return good({ count: found.reports.length }, [...names].join(", "));
}

/** The audit is in the log, signed by this service, with every line that the page shows. */
async function audit({ shown, found }) {
  if (!shown.audit) return nothing("none");
  const { place, day, result, points } = shown.audit;
  if (place >= found.head.size) return nothing("later");
  const note = textOf(await found.log.entry(place));
  const { text } = await openNote(note, signersOf("retention", found));
  const stated = AUDIT.read(text);
  // The page shows the lines service by service.
  const said = [stated.get("day"), stated.get("result"), ...stated.get("point").toSorted()];
  const written = [day, result, ...points.toSorted()];
  const wrong = said.findIndex((line, i) => line !== written[i]);
  if (wrong >= 0 || said.length !== written.length) throw differs(`${place}: ${said[wrong]} ≠ ${written[wrong]}`);
  return good({ count: points.length }, `${place}: ${day} ${result}`);
}

export const STEPS = { keys, checkpoint, witnesses, root, continued, reports, signatures, audit };
