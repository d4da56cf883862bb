// A wallet and a scanner written from docs/spec alone, on node without any package, in at most 300 lines. No line of it comes
// from the project's own Python or JavaScript. peer.mjs has their network, their clock and their file.
import * as c from "node:crypto";
export class Refusal extends Error {}
const refuse = (code) => { throw new Refusal(code); };
const need = (holds, code) => holds || refuse(code);
const attempt = (work, code) => { try { return work(); } catch { return refuse(code); } };
const hex = (text) => Buffer.from(text.replaceAll(" ", ""), "hex");
const cat = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
const uint = (size, n) => hex(BigInt(n).toString(16).padStart(2 * size, "0"));
const sha = (...parts) => c.createHash("sha256").update(cat(...parts)).digest();
const hmac = (key, ...parts) => c.createHmac("sha256", key).update(cat(...parts)).digest();
const spelled = (text, form, size, code, data = Buffer.from(typeof text === "string" ? text : refuse(code), form)) =>
  (data.toString(form) === text && data.length === (size ?? data.length) ? data : refuse(code)); // encoding.md: one spelling
const b64 = (text, size) => spelled(text, "base64", size, "note_malformed");
const url = (data) => data.toString("base64url"), unurl = (text, size) => spelled(text, "base64url", size, "service_error");
const number = (text, end) => (/^(0|[1-9]\d*)$/.test(text) && BigInt(text) < end ? BigInt(text) : refuse("note_malformed"));
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const pieces = (of, size) => Array.from({ length: Math.ceil(of.length / size) }, (_, i) => of.slice(size * i, size * (i + 1)));
const base45 = (data) => pieces(data, 2).map((two) => { const n = Number(`0x${two.toString("hex")}`);
  return [n, n / 45, n / 2025].slice(0, two.length + 1).map((d) => DIGITS[Math.floor(d) % 45]).join(""); }).join("");
function unbase45(text) {
  const value = (part) => Math.max(0, [...part].reduceRight((n, digit) => n * 45 + DIGITS.indexOf(digit), 0)) % (part[2] ? 65536 : 256);
  const data = cat(...pieces(text, 3).map((part) => uint(part[2] ? 2 : 1, value(part))));
  return base45(data) === text ? data : refuse("token_malformed");
}
const P = 2n ** 255n - 19n, L = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (x) => ((x % P) + P) % P;
const power = (x, e) => { let r = 1n; for (x = mod(x); e; e >>= 1n, x = mod(x * x)) if (e & 1n) r = mod(r * x); return r; };
const D = mod(-121665n * power(121666n, P - 2n)), ROOT = power(2n, (P - 1n) / 4n);
const add = ([X, Y, Z, T], [A, B, C, U]) => {
  const [a, b, e, d] = [mod((Y - X) * (B - A)), mod((Y + X) * (B + A)), mod(2n * D * T * U), mod(2n * Z * C)];
  return [(b - a) * (d - e), (d + e) * (b + a), (d - e) * (d + e), (b - a) * (b + a)].map(mod);
};
const times = (n, p) => { let r = [0n, 1n, 1n, 0n]; for (; n; n >>= 1n, p = add(p, p)) if (n & 1n) r = add(r, p); return r; };
const isZero = (p) => p[0] === 0n && p[1] === p[2];
const little = (bytes) => BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
function point(bytes, strict) { // null for what is none
  const sign = BigInt(bytes[31] >> 7), raw = little(bytes) % 2n ** 255n, y = mod(raw);
  const [u, v] = [mod(y * y - 1n), mod(D * y * y + 1n)], first = mod(u * v ** 3n * power(u * v ** 7n, (P - 5n) / 8n));
  const x = [first, mod(first * ROOT)].find((one) => mod(v * one * one) === u);
  if (x === undefined || (strict && (raw >= P || (x === 0n && sign)))) return null;
  return [(x & 1n) === sign ? x : mod(-x), y, 1n, mod(((x & 1n) === sign ? x : -x) * y)];
}
const known = {}, inGroup = (p) => p !== null && !isZero(p) && isZero(times(L, p)); // encoding.md §4
const isKey = (bytes) => (known[bytes.toString("hex")] ??= inGroup(point(bytes, true)));
const isSmall = (bytes, p = point(bytes, false)) => p !== null && isZero(times(8n, p));
const edPrivate = (seed) => c.createPrivateKey({ key: cat(hex("302e020100300506032b657004220420"), seed), format: "der", type: "pkcs8" });
const publicKey = (oid, raw) => c.createPublicKey({ key: cat(hex(`302a300506032b65${oid}032100`), raw), format: "der", type: "spki" });
const rawOf = (key) => c.createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
const verifies = (key, message, sig) => key.length === 32 && sig.length === 64 && !isSmall(key) && !isSmall(sig.subarray(0, 32))
  && little(sig.subarray(32)) < L && c.verify(null, message, publicKey("70", key), sig);
const agree = (raw, code, privateKey = c.generateKeyPairSync("x25519").privateKey) => // node refuses a key of small order
  attempt(() => [rawOf(privateKey), c.diffieHellman({ privateKey, publicKey: publicKey("6e", raw) })], code);
function seal(raw, info, plain) { // HPKE, RFC 9180 base mode
  const kem = cat("KEM", uint(2, 0x20)), suite = cat("HPKE", uint(2, 0x20), uint(2, 1), uint(2, 2));
  const extract = (id, salt, label, ikm) => hmac(salt, "HPKE-v1", id, label, ikm);
  const expand = (id, key, label, about, size) => hmac(key, uint(2, size), "HPKE-v1", id, label, about, [1]).subarray(0, size);
  const [enc, dh] = agree(raw, "scanner_stale"), secret = expand(kem, extract(kem, "", "eae_prk", dh), "shared_secret", cat(enc, raw), 32);
  const context = cat([0], extract(suite, "", "psk_id_hash", ""), extract(suite, "", "info_hash", info));
  const prk = extract(suite, secret, "secret", ""), keys = [["key", 32], ["base_nonce", 12]];
  const box = c.createCipheriv("aes-256-gcm", ...keys.map(([label, size]) => expand(suite, prk, label, context, size)));
  return cat(enc, box.update(plain), box.final(), box.getAuthTag());
}
// -- notes.md, labels.md, log.md, keys.md
function vkey(text, kind) {
  const [name, hash, ...rest] = String(text).split("+"), material = b64(rest.join("+"), 33), key = material.subarray(1);
  const id = sha(name, "\n", material).subarray(0, 4);
  need(name && !/\s/.test(name) && material[0] === kind && id.toString("hex") === hash && isKey(key), "note_malformed");
  return { name, id, key, kind };
}
function openNote(note, keys, threshold = 1) {
  need(typeof note === "string" && Buffer.byteLength(note) <= 2 ** 20 && /^[^\0-\x09\x0b-\x1f]*\n$/.test(note), "note_malformed");
  const at = note.slice(0, -1).lastIndexOf("\n\n"), lines = note.slice(at + 2, -1).split("\n"), text = note.slice(0, at + 1);
  need(at >= 0 && lines.length <= 64, "note_malformed");
  const signers = new Set();
  for (const line of lines) {
    const [dash, name, ...rest] = line.split(" "), loose = Buffer.from(rest.join(" "), "base64");
    need(dash === "—" && name && loose.length >= 5, "note_malformed");
    const key = keys.find((one) => one.name === name && one.id.equals(loose.subarray(0, 4)));
    if (!key) continue;
    const value = b64(rest.join(" ")).subarray(4), time = value.subarray(0, -64);
    need(key.kind === 4 ? time.length === 8 && time[0] < 128 : !time.length, "note_untrusted");
    const message = key.kind === 4 ? `cosignature/v1\ntime ${time.readBigUInt64BE()}\n${text}` : text;
    need(verifies(key.key, Buffer.from(message), value.subarray(-64)), "note_untrusted");
    signers.add(key.key.toString("hex"));
  }
  return signers.size >= threshold ? text : refuse("note_untrusted");
}
const TIME = /^checkin\/time\/v1\nservice (\S+)\nnonce (\S+)\ntime (\d{4}-\d\d-\d\d)(T[012]\d(?::[0-5]\d){2})(Z|[+-]\d\d:\d\d)\n(clock simulated\n)?$/;
function toldTime(note, service, nonce) { // unix seconds
  const [, name, own, date, time, zone] = TIME.exec(openNote(note, [service])) ?? refuse("note_untrusted");
  return name === service.name && own === nonce && dayOf(date) ? Date.parse(date + time + zone) / 1000 : refuse("note_untrusted");
}
function requireLogged(pins, entry, proof) {
  need(typeof proof === "string", "proof_invalid");
  const { witnesses, quorum } = pins, end = proof.indexOf("\n\n"), head = proof.slice(end + 2), log = vkey(pins.vkey, 1);
  need(Array.isArray(witnesses) && Number.isInteger(quorum) && quorum >= 0 && quorum <= witnesses.length, "note_malformed");
  const [version, ...lines] = proof.slice(0, Math.max(end, 0)).split("\n");
  if (lines[0]?.startsWith("extra ")) b64(lines.shift().slice(6));
  const place = /^index (\d+)$/.exec(lines.shift() ?? "");
  need(version === "c2sp.org/tlog-proof@v1" && place && lines.length <= 64 && Buffer.byteLength(proof) <= 2 ** 18, "note_malformed");
  const hashes = lines.map((line) => b64(line, 32)), [origin, count, root] = openNote(head, [log]).split("\n");
  need(origin === log.name, "note_untrusted");
  if (quorum) openNote(head, witnesses.map((one) => vkey(one, 4)), quorum);
  let [index, last, hash] = [number(place[1], 2n ** 63n), number(count, 2n ** 63n) - 1n, sha([0], entry)];
  need(index <= last, "proof_invalid");
  for (const other of hashes) { // RFC 9162 §2.1.3.2, the same tree
    need(last > 0n, "proof_invalid");
    hash = index & 1n || index === last ? sha([1], other, hash) : sha([1], hash, other);
    if (index === last) while (index && !(index & 1n)) [index, last] = [index >> 1n, last >> 1n];
    [index, last] = [index >> 1n, last >> 1n];
  }
  need(last === 0n && hash.equals(b64(root, 32)), "proof_invalid");
}
const dateOf = (day) => (Number.isInteger(day) ? new Date(day * 864e5).toISOString().slice(0, 10) : "");
const dayOf = (date, day = Date.parse(`${date}T00:00:00Z`) / 864e5) => (dateOf(day) === date ? day : refuse("note_malformed"));
const kidOf = (issuer, key) => sha("ck1/kid", uint(4, issuer), key).subarray(0, 4).toString("hex");
const LIST = (kind, owner, parts) => new RegExp(`^checkin/${kind}/v1\\n${owner}\\n(?:clock simulated\\n)?((?:key \\S+${parts} \\S+\\n)+)$`);
const ISSUER_KEYS = LIST("issuer-keys", "issuer (0|[1-9]\\d{0,9})", " [0-9a-f]{8}"), INTAKE_KEYS = LIST("intake-keys", "registry (\\S+)", "");
function openList(issuer, owner, note, proof, log, kind) { // day → base64url
  if (log) requireLogged(log, note, proof);
  const [, name, lines] = kind.exec(openNote(note, [owner])) ?? refuse("note_malformed"), keys = {};
  need(issuer === null || name === String(issuer), "note_untrusted");
  for (const [, date, ...parts] of lines.trim().split("\n").map((line) => line.split(" "))) {
    const day = dayOf(date), raw = b64(parts.at(-1), 32), fits = issuer === null ? little(raw) < P && agree(raw, "note_malformed") : isKey(raw);
    need(fits && (parts.length < 2 || kidOf(issuer, raw) === parts[0]) && !(Math.max(...Object.keys(keys)) >= day), "note_malformed");
    keys[day] = url(raw);
  }
  return keys;
}
function merge(before, list, today) { // the first key of a day is final
  const near = Object.fromEntries(Object.entries(list).filter(([day]) => day <= today + 15));
  need(Object.entries(near).every(([day, key]) => (before[day] ?? key) === key), "list_refused");
  return Object.fromEntries(Object.entries({ ...before, ...near }).filter(([day]) => day >= today - 4));
}
const SHAPES = { credential: ["8449a20132 0444", 4, "a05893 8619", 2, "", 1, "50", 16, "5820", 32, "5848", 72, "50", 16, "5840", 64],
  plain: ["8443a10132a0 58eb821a", 4, "58e3", 227, "5840", 64],
  shown: ["8443a10132a1 3a0001117082", 1, "50", 16, "58eb821a", 4, "58e3", 227, "5840", 64] };
function unpack(shape, data, at = 0) { // the holes
  const parts = SHAPES[shape].map((part) => (typeof part === "string" ? hex(part) : part));
  const found = parts.map((part) => data.subarray(at, at += part.length ?? part)), same = (part, i) => part.equals?.(found[i]) ?? true;
  return at === data.length && parts.every(same) ? found.filter((_, i) => parts[i] > 0) : refuse("token_malformed");
}
const pack = (shape, ...holes) => cat(...SHAPES[shape].map((part) => (typeof part === "string" ? hex(part) : holes.shift())));
const toSign = (head, aad, body) => cat([0x84, 0x6a], "Signature1", [0x40 + head.length], head, [0x40 + aad.length], aad, [0x58, body.length], body);
const presented = (iat, credential) => toSign(hex("a10132"), cat("ck1/presentation"), cat(hex("821a"), iat, hex("58e3"), credential));
const opens = (commitment, status, salt) => sha("ck1/status", salt, [status]).subarray(0, 16).equals(commitment);
function readCredential(data) {
  const [kid, day, mode, visit, holder, , commitment, signature] = unpack("credential", data);
  need(day.readUInt16BE() >= 256 && mode[0] < 2, "token_malformed");
  return { kid, day: day.readUInt16BE(), mode: mode[0], visit, holder, commitment, signature, data };
}
function requireIssued(one, issuers) { // issuer → {keys}; a kid is a hint
  const listed = Object.entries(issuers).flatMap(([issuer, { keys }]) => (keys[one.day] ? [[issuer, unurl(keys[one.day])]] : []));
  const found = listed.filter(([issuer, raw]) => kidOf(issuer, raw) === one.kid.toString("hex"));
  const aad = (issuer) => cat("ck1/credential", uint(4, issuer)), head = cat(hex("a201320444"), one.kid);
  const signed = ([issuer, raw]) => verifies(raw, toSign(head, aad(issuer), one.data.subarray(14, 161)), one.signature);
  need(found.length, "unknown_issuer_key");
  need(found.some(signed), "bad_signature");
}
const clocks = (zone, at) => new Date(at * 1000).toLocaleString("sv-SE", { timeZone: zone }).replace(" ", "T");
const offset = (zone, at) => Date.parse(`${clocks(zone, at)}Z`) / 1000 - Math.floor(at); // seconds ahead of UTC
const localDay = (zone, at) => Math.floor((at + offset(zone, at)) / 86400);
const startOf = (zone, day) => day * 86400 - offset(zone, day * 86400 - offset(zone, day * 86400));
function judge(text, now, { zone, rule, issuers }) { // presentation.md §3, steps 1 to 8
  need(text.startsWith("CK1:") && text.length <= 772, "token_malformed");
  const token = unbase45(text.slice(4)), shown = token.length === 333;
  const holes = unpack(shown ? "shown" : "plain", token), [status, salt] = holes, [iat, inner, signature] = holes.slice(-3);
  const one = readCredential(inner), at = iat.readUInt32BE(), paper = one.mode === 1;
  need(at >= 65536 && (!shown || status[0] <= 3), "token_malformed");
  const [first, last] = paper ? [startOf(zone, one.day) - 5, startOf(zone, one.day + 1) + 65] : [at - 5, at + 20];
  need(now >= first, "token_not_yet_valid") && need(now <= last, "token_expired");
  need(localDay(zone, at) === one.day && (!paper || at === startOf(zone, one.day)), "wrong_day");
  requireIssued(one, issuers);
  need(verifies(one.holder, presented(iat, inner), signature), "bad_signature");
  need(!shown || opens(one.commitment, status[0], salt), "bad_status");
  need(!rule.length || (shown && rule.includes(status[0])), "status_required");
  return { ...one, until: last, plain: pack("plain", iat, inner, signature) };
}
// -- wallet.md, scanner.md: `peer` has the state on the disk, the clocks, and one exchange after another
const RESULTS = ["accepted", "repeated", "conflict", "undecided", "refused"], ZONE = "Asia/Seoul";
export function parties(peer, state = peer.state) {
function ask(method, path, fits = () => true, body = undefined) { // scanner.md §6.3: what is no answer is `unreachable`
  const answer = peer.exchange({ method, path, body, token: state.token }) ?? refuse("unreachable"), told = attempt(() => JSON.parse(answer.body), "unreachable") ?? {};
  const { type, status } = answer, coded = type === "application/problem+json" && told.type === `urn:checkin:problem:${told.code}`;
  if (coded && told.status === status && status >= 400) throw Object.assign(new Refusal(told.code), { status });
  return [200, 201].includes(status) && type === "application/json" && fits(told) ? told : refuse("unreachable");
}
const now = ({ now: device, steady } = peer.clock, time = state.time) => // by the clock that nobody sets; after a start, by its own
  (time === undefined ? device : time.told + (steady >= time.steady ? steady - time.steady : device - time.device));
const clockOff = () => Math.abs(peer.clock.now - now()) > 10;
function hear(service, question, take = () => {}) { // issuer.md §8.2: asks `question(nonce)`, and takes the time in its answer
  const [asked, own] = [peer.clock.steady, url(c.randomBytes(16))], told = question(own), time = toldTime(told.time_note ?? told.note, service(told), own);
  const [believed, latest, { now: device, steady }] = [now(), time + 1 + peer.clock.steady - asked, peer.clock];
  take(told, time);
  state.time = { told: believed >= time && believed <= latest ? believed : (time + latest) / 2, steady, device };
  return told;
}
const scanner = {
  enrol({ code }) {
    const { venue_id: venue, scanner_id: id, scanner_token: token } = attempt(() => JSON.parse(code), "enrolment_malformed") ?? {};
    const fits = [venue, id, token].every((one) => typeof one === "string") && /^[0-9a-f]{16} [0-9a-f]{16} [\w.~+/=-]{16,256}$/;
    need(fits && fits.test(`${venue} ${id} ${token}`), "enrolment_malformed");
    Object.assign(state, { venue, id, token, queue: [], aside: [], seen: {}, batch: 1000, issuers: {}, intake: {} });
  },
  tend() {
    const registry = (told) => vkey(state.registry ?? told.registry?.vkey, 1);
    const told = hear(registry, (own) => ask("GET", `/v1/trust?nonce=${own}&waiting=${state.queue.length}`));
    try { scanner.lists(told, registry(told)); } finally { scanner.upload(); }
  },
  lists(told, registry) { // whole or not at all, but for single issuers' lists
    const [today, log, issuers, refused] = [localDay(told.zone, now()), state.log ?? told.log, { ...state.issuers }, []];
    const intake = openList(null, registry, told.intake, told.intake_proof, log, INTAKE_KEYS);
    for (const { issuer, vkey: named, list, proof } of told.issuers) {
      const { owner = named, keys = {} } = issuers[issuer] ?? {};
      const read = () => merge(keys, openList(issuer, vkey(owner, 1), list, proof, log, ISSUER_KEYS), today);
      try { issuers[issuer] = { owner, keys: read() }; } catch (error) { refused.push(error); }
    }
    if (refused.length === told.issuers.length) throw refused[0];
    Object.assign(state, { intake: merge(state.intake, intake, today), issuers, log, registry: state.registry ?? told.registry.vkey,
      rule: told.status_rule, zone: told.zone, heard: now() });
  },
  upload() {
    for (let kept = 0; kept < state.queue.length; peer.save()) {
      const sent = state.queue.slice(kept, kept + state.batch), of = (what) => (_, i) => results[i].result === what;
      state.batch = Math.max(1, sent.length >> 1); // the next time, if no answer comes
      const fits = (told) => told.results?.length === sent.length && told.results.every((one) => RESULTS.includes(one.result));
      const { results } = ask("POST", "/v1/check-ins/batch", fits, { sealed: sent });
      state.aside.push(...sent.filter(of("refused")));
      state.queue.splice(kept, sent.length, ...sent.filter(of("undecided")));
      [kept, state.batch] = [kept + sent.filter(of("undecided")).length, 1000];
    }
  },
  scan({ text }) {
    const at = now(), one = need(state.heard && at - state.heard <= 86400, "scanner_stale") && judge(text, at, state);
    const mark = url(sha("seen", one.visit).subarray(0, 12)), day = uint(4, one.day), id = c.randomBytes(16);
    state.seen = Object.fromEntries(Object.entries(state.seen).filter(([, until]) => until >= at));
    need(!state.seen[mark], "already_used");
    let result = "queued";
    try {
      ({ result } = ask("POST", "/v1/check-ins", (told) => /^(accepted|repeated)$/.test(told.result), { token: `CK1:${base45(one.plain)}`, scan_id: url(id) }));
    } catch (error) {
      if (error.status < 500 && error.status !== 429) throw error;
      const info = cat("ck1/intake", hex(state.venue), hex(state.id), day), key = state.intake[one.day] ?? refuse("scanner_stale");
      state.queue.push(url(cat(day, seal(unurl(key), info, cat(uint(4, Math.floor(at)), id, one.plain)))));
    }
    state.seen[mark] = one.until;
    return { result };
  },
  state: () => ({ waiting: state.queue.length, refused: state.aside.length }),
};
let open = null; // what is shown now
const today = () => localDay(ZONE, now()), unused = () => (state.held?.[today()] ?? []).filter((one) => !one.used);
const wallet = {
  pin: ({ issuer, log }) => void Object.assign(state, { issuer, log, held: {}, notices: [] }),
  register: ({ name, phone }) => void (state.pending = ask("POST", "/v1/registrations", (told) => told.registration_id, { name, phone })),
  confirm({ code }) {
    const path = `/v1/registrations/${state.pending.registration_id}/confirm`, told = ask("POST", path, (one) => one.wallet_token, { code });
    Object.assign(state, { token: told.wallet_token, recovery: told.recovery_code });
  },
  fetch() {
    try { return wallet.batch(today()); } catch (error) { need(error.message === "day_not_issued", error.message); }
    hear(() => vkey(state.issuer, 1), (own) => ask("GET", `/v1/time?nonce=${own}`));
    wallet.batch(today());
  },
  batch(day) {
    const { list, proof, issuer } = ask("GET", "/v1/keys"), owner = vkey(state.issuer, 1);
    const keys = openList(issuer, owner, list, proof, state.log, ISSUER_KEYS);
    const seeds = Array.from({ length: 10 }, () => c.randomBytes(32)), holder_keys = seeds.map((seed) => url(rawOf(edPrivate(seed))));
    const fits = ({ credentials: made, status_openings: told }) => made?.length === 10 && told?.length === 10;
    hear(() => owner, (own) => ask("POST", `/v1/credentials?nonce=${own}`, fits, { day, holder_keys }), (told, time) => {
      const batch = told.credentials.map((text, i) => { // credential.md §4
        const one = readCredential(unurl(text)), { status, salt } = told.status_openings[i];
        requireIssued(one, { [issuer]: { keys: { [one.day]: keys[day] } } });
        need(opens(one.commitment, status, unurl(salt, 16)), "bad_status");
        need(one.day === day && one.mode === 0 && url(one.holder) === holder_keys[i], "service_error");
        return { credential: text, seed: url(seeds[i]), status, salt };
      });
      (state.held[day] ??= []).push(...batch);
      const known = new Set([...state.notices, ...told.disclosures].map((one) => JSON.stringify(one)));
      state.notices = [...known].map((one) => JSON.parse(one)).filter((one) => one.day > dateOf(day - 28));
      for (const old of Object.keys(state.held)) if (old < localDay(ZONE, time)) delete state.held[old];
    });
  },
  open({ show_status: shows = false }) {
    open = { ...(unused()[0] ?? refuse("none_left")), shows };
    unused()[0].used = true;
    peer.save(); // before it is shown
    return wallet.renew();
  },
  renew() {
    const iat = uint(4, Math.floor(now())), inner = unurl(open.credential), own = edPrivate(unurl(open.seed));
    const signature = c.sign(null, presented(iat, inner), own), shown = open.shows ? [[open.status], unurl(open.salt)] : [];
    return { token: `CK1:${base45(pack(open.shows ? "shown" : "plain", ...shown, iat, inner, signature))}` };
  },
  state: () => ({ left: unused().length, notices: state.notices.length }),
};
return { scanner, wallet, clockOff };
}
