// Lists of keys by service day, as their owners sign them (docs/spec/keys.md §5, checkin/protocol/key_list.py).

import { Calendar } from "./calendar.js";
import { kidOf } from "./credential.js";
import { isSealingKey, isSigningKey } from "./curve.js";
import { base64Decode, decimalDecode, toHex } from "./encoding.js";
import { Refusal } from "./errors.js";
import { CLOCK, StatementType } from "./statement.js";

const TAIL = [CLOCK, { name: "key", repeated: true }];
const ISSUER_KEYS = new StatementType("checkin/issuer-keys/v1", { name: "issuer" }, ...TAIL);
const INTAKE_KEYS = new StatementType("checkin/intake-keys/v1", { name: "registry" }, ...TAIL);
const OWN_NAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(\/[A-Za-z0-9._~-]+)*$/;

const malformed = () => new Refusal("note_malformed");

/** Runs `work`, turning the TypeError of a decoder into note_malformed. */
function strictly(work) {
  try {
    return work();
  } catch (error) {
    throw error instanceof TypeError ? malformed() : error;
  }
}

/** {issuer, keys: Map(day → {kid hex, public}), simulated} of an opened note's text. */
export async function readIssuerList(text) {
  const values = ISSUER_KEYS.read(text);
  const issuer = Number(strictly(() => decimalDecode(values.get("issuer"), 2n ** 32n - 1n)));
  const keys = new Map();
  for (const [day, [kid, encoded]] of readLines(values, 2)) {
    const key = strictly(() => base64Decode(encoded, 32));
    if (!isSigningKey(key) || toHex(await kidOf(issuer, key)) !== kid) throw malformed();
    keys.set(day, { kid, public: key });
  }
  if (sharesKid(keys.values())) throw malformed();
  return { issuer, keys, simulated: values.has("clock") };
}

/** {registry, keys: Map(day → {public}), simulated} of an opened note's text. */
export function readIntakeList(text) {
  const values = INTAKE_KEYS.read(text);
  const registry = values.get("registry");
  if (registry.length > 255 || !OWN_NAME.test(registry)) throw malformed();
  const keys = new Map();
  for (const [day, [encoded]] of readLines(values, 1)) {
    const key = strictly(() => base64Decode(encoded, 32));
    if (!isSealingKey(key)) throw malformed();
    keys.set(day, { public: key });
  }
  return { registry, keys, simulated: values.has("clock") };
}

/** list_refused when `fresh` contradicts what was seen before: the first key for a day is final. */
export function merge(known, fresh) {
  for (const [day, key] of fresh) {
    // SPEC keys.md §5.1: "The first list for a day is final."
    const first = known.get(day);
    if (first && toHex(first.public) !== toHex(key.public)) throw new Refusal("list_refused");
  }
  const all = new Map([...known, ...fresh]);
  if (sharesKid(all.values())) throw new Refusal("list_refused");
  return all;
}

function sharesKid(keys) {
  const publics = new Map();
  for (const key of keys) {
    if (!key.kid) continue;
    if ((publics.get(key.kid) ?? toHex(key.public)) !== toHex(key.public)) return true;
    publics.set(key.kid, toHex(key.public));
  }
  return false;
}

function* readLines(values, width) {
  let last = -1;
  for (const line of values.get("key")) {
    const [date, ...parts] = line.split(" ");
    const day = strictly(() => Calendar.parseDate(date));
    if (day <= last || parts.length !== width) throw malformed();
    last = day;
    yield [day, parts];
  }
}
