// A wallet and a scanner by docs/spec alone, none of our code and no package: `node party.mjs wallet|scanner`
import * as c from "node:crypto";
import * as fs from "node:fs";
const refuse = (code, status = undefined) => { throw { refused: code, status }; };
const need = (holds, code) => holds || refuse(code);
const attempt = (work, code) => { try { return work(); } catch { return refuse(code); } };
const parse = (text, code) => attempt(() => JSON.parse(text), code) ?? {};
const filtered = (of, keep) => Object.fromEntries(Object.entries(of).filter(keep));
const mapped = (of, work) => Object.fromEntries(Object.entries(of).map(([key, value]) => [key, value && work(value)]));
// -- encoding.md
const hex = (text) => Buffer.from(text, "hex"), url = (data) => data.toString("base64url");
const cat = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
const uint = (size, n) => hex(BigInt(n).toString(16).padStart(2 * size, "0"));
const little = (bytes) => BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
const sha = (...parts) => c.createHash("sha256").update(cat(...parts)).digest();
const spelled = (text, form, size, code, data = Buffer.from(String(text), form)) => // each value has one spelling
  (data.toString(form) === text && data.length === (size ?? data.length) ? data : refuse(code));
const b64 = (text, size) => spelled(text, "base64", size, "note_malformed");
const unurl = (text, size) => spelled(text, "base64url", size, "service_error");
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const digitsOf = (part, n = Number(`0x${part}`)) => [n, n / 45, n / 2025].slice(0, part.length / 2 + 1);
const base45 = (data) => (data.toString("hex").match(/.{1,4}/g) ?? []).flatMap((part) => digitsOf(part))
  .map((digit) => DIGITS[Math.floor(digit) % 45]).join("");
const valueOf = (part) => [...part].reduceRight((n, digit) => n * 45 + DIGITS.indexOf(digit), 0);
const bytesOf = (text) => cat(...(text.match(/.{1,3}/gs) ?? []).map((part) => uint(part.length - 1, valueOf(part))));
const unbase45 = (text, data = bytesOf(text)) => (base45(data) === text ? data : refuse("token_malformed"));
const P = 2n ** 255n - 19n, L = 2n ** 252n + 27742317777372353535851937790883648493n;
const bits = (n) => [...n.toString(2)].map((bit) => bit === "1"), mod = (x) => ((x % P) + P) % P;
const power = (x, exponent) => bits(exponent).reduce((n, bit) => mod(n * n * (bit ? x : 1n)), 1n);
function vanishes(u, n) { // whether n times the point at u is the neutral one: RFC 7748's ladder, of (x : z)
  const twice = ([x, z], s = (x + z) ** 2n, d = (x - z) ** 2n) => [s * d, (s - d) * (s + 121665n * (s - d))].map(mod);
  const sum = ([x, z], [v, w]) => [(v * x - w * z) ** 2n, u * (v * z - w * x) ** 2n].map(mod);
  const step = ([a, b], bit) => (bit ? [sum(a, b), twice(b)] : [twice(a), sum(a, b)]);
  return bits(n).reduce(step, [[1n, 0n], [u, 1n]])[0][1] === 0n;
}
const yOf = (bytes) => little(bytes) % 2n ** 255n, uOf = (y) => mod((1n + y) * power(1n - y, P - 2n));
const onCurve = (u) => power(u * (u * u + 486662n * u + 1n), (P - 1n) / 2n) === 1n; // and of no order below 3
const inGroup = (y, u = uOf(y)) => y < P && onCurve(u) && vanishes(u, L), known = {};
const isKey = (raw) => (known[url(raw)] ??= inGroup(yOf(raw))), isSmall = (raw) => vanishes(uOf(yOf(raw)), 8n);
const publicKey = (crv, raw) => c.createPublicKey({ key: { kty: "OKP", crv, x: url(raw) }, format: "jwk" });
const verifies = (key, message, signed, r = signed.subarray(0, 32), s = signed.subarray(32)) => s.length === 32
  && little(s) < L && !isSmall(key) && !isSmall(r) && c.verify(null, message, publicKey("Ed25519", key), signed);
const JWK = { format: "jwk" }, privateKey = (key) => c.createPrivateKey({ key, ...JWK }); // `export` can hang node 20
const pair = (kind) => c.generateKeyPairSync(kind, { privateKeyEncoding: JWK, publicKeyEncoding: JWK }).privateKey;
const agree = (raw, code = "note_malformed", own = pair("x25519"), of = publicKey("X25519", raw)) => // no small order
  [own.x, attempt(() => c.diffieHellman({ privateKey: privateKey(own), publicKey: of }), code)];
function seal(raw, info, plain) { // HPKE, RFC 9180 base mode
  const kem = cat("HPKE-v1KEM", [0, 0x20]), suite = cat("HPKE-v1HPKE", [0, 0x20, 0, 1, 0, 2]);
  const extract = (label, ikm) => c.createHmac("sha256", "").update(cat(suite, label, ikm)).digest();
  const hkdf = (n, id, salt, ikm, ...of) => c.hkdfSync("sha256", cat(id, ...ikm), salt, cat(uint(2, n), id, ...of), n);
  const [own, dh] = agree(raw, "scanner_stale"), enc = unurl(own);
  const context = cat([0], extract("psk_id_hash", ""), extract("info_hash", info));
  const secret = hkdf(32, kem, "", ["eae_prk", dh], "shared_secret", enc, raw);
  const made = (size, label) => hkdf(size, suite, secret, ["secret"], label, context);
  const box = c.createCipheriv("aes-256-gcm", made(32, "key"), made(12, "base_nonce"));
  return cat(enc, box.update(plain), box.final(), box.getAuthTag());
}
// -- notes.md, labels.md, log.md, keys.md
function vkey(text, kind) {
  const [name, hash, ...rest] = String(text).split("+"), material = b64(rest.join("+"), 33), key = material.subarray(1);
  const id = sha(name, "\n", material).subarray(0, 4), fits = material[0] === kind && id.toString("hex") === hash;
  return need(name && !/\s/.test(name) && fits && isKey(key), "note_malformed") && { name, id, key, kind, vkey: text };
}
const TEXT = "[^\\0-\\x09\\x0b-\\x1f]*\\n", B = "[A-Za-z0-9+/]"; // at least five bytes
const LINE = `— [^\\s\\0-\\x1f\\x85+]+ ${B}{7}(?:=|${B}(?:${B}{4})*(?:${B}{2}==|${B}{3}=)?)\\n`;
const NOTE = new RegExp(`^(${TEXT})\\n((?:${LINE}){1,64})$`);
function openNote(note, keys, threshold = 1) {
  need(typeof note === "string" && Buffer.byteLength(note) <= 2 ** 20, "note_malformed");
  const [, text, lines] = NOTE.exec(note) ?? refuse("note_malformed"), [names, used] = [new Set(), new Set()];
  need(new Set(keys.map((k) => k.name + url(k.id))).size === new Set(keys.map((k) => k.vkey)).size, "note_untrusted");
  for (const [, name, signed] of lines.matchAll(/— (\S+) (\S+)/g)) {
    const raw = Buffer.from(signed, "base64"), key = keys.find((k) => k.name === name && !k.id.compare(raw, 0, 4));
    if (!key) continue;
    const value = b64(signed).subarray(4), time = value.subarray(0, -64), cosigned = key.kind === 4;
    need(time.length === (cosigned ? 8 : 0) && !(time[0] > 127), "note_untrusted");
    const message = cosigned ? `cosignature/v1\ntime ${time.readBigUInt64BE()}\n${text}` : text;
    need(verifies(key.key, Buffer.from(message), value.subarray(-64)), "note_untrusted");
    if (!names.has(name) && !used.has(url(key.key))) names.add(name) && used.add(url(key.key));
  }
  return need(names.size >= threshold, "note_untrusted") && text;
}
const dateOf = (day) => day >= 0 && day < 2 ** 16 && new Date(day * 864e5).toISOString().slice(0, 10);
const dayOf = (date, day = Date.parse(`${date}T00:00Z`) / 864e5) => need(dateOf(day) === date, "note_malformed") && day;
const INSTANT = /^(\d{4}-\d\d-\d\d)(T[012]\d(?::[0-5]\d){2}(?:Z|[+-]\d\d:\d\d))\n(?:clock simulated\n)?$/;
const PROOF = /^c2sp\.org\/tlog-proof@v1\n(?:extra (.*)\n)?index (0|[1-9]\d{0,18})\n((?:.+\n){0,64})\n([^]*)$/;
const HEAD = /^(.+)\n(0|[1-9]\d{0,14})\n(\S+)\n(?:.+\n)*$/;
function requireLogged({ vkey: log, witnesses, quorum }, entry, proof) {
  need(typeof proof === "string", "proof_invalid") && need(Buffer.byteLength(proof) <= 2 ** 18, "note_malformed");
  const [, extra = "", place, lines, head] = PROOF.exec(proof) ?? refuse("note_malformed"), signer = vkey(log, 1);
  const [, origin, count, root] = HEAD.exec(openNote(head, [signer])) ?? refuse("note_malformed");
  need(origin === signer.name, "note_untrusted");
  if (need(quorum >= 0, "note_malformed") && quorum) openNote(head, witnesses.map((one) => vkey(one, 4)), quorum);
  need(b64(extra) && BigInt(place) < 2n ** 63n, "note_malformed");
  let [index, last, hash] = [Number(place), Number(count) - 1, sha([0], entry)];
  need(index <= last, "proof_invalid");
  for (const other of lines.split("\n").slice(0, -1).map((line) => b64(line, 32))) { // RFC 9162 §2.1.3.2, the same tree
    need(last > 0, "proof_invalid");
    hash = index % 2 || index === last ? sha([1], other, hash) : sha([1], hash, other);
    if (index === last) while (index && index % 2 === 0) [index, last] = [index / 2, Math.floor(last / 2)];
    [index, last] = [Math.floor(index / 2), Math.floor(last / 2)];
  }
  need(last === 0 && hash.equals(b64(root, 32)), "proof_invalid");
}
const kidOf = (issuer, key) => sha("ck1/kid", uint(4, issuer), key).subarray(0, 4).toString("hex");
const LIST = /^checkin\/(\w+-keys)\/v1\n(\w+ )(\S+)\n(?:clock simulated\n)?((?:key \S+(?: [0-9a-f]{8})? \S+\n)+)$/;
function openList(issuer, owner, note, proof, log) { // day → base64url; `issuer` is null for a registry's
  if (log) requireLogged(log, note, proof);
  const [, kind, of, name, lines] = LIST.exec(openNote(note, [owner])) ?? refuse("note_malformed"), keys = {};
  need(kind + of === (issuer === null ? "intake-keysregistry " : "issuer-keysissuer "), "note_malformed");
  need(name === String(issuer ?? owner.name), "note_untrusted");
  for (const [, date, kid, key = kid] of lines.trim().split("\n").map((line) => line.split(" "))) {
    const day = dayOf(date), raw = b64(key, 32), seals = () => kid === key && little(raw) < P && agree(raw);
    need(issuer === null ? seals() : isKey(raw) && kidOf(issuer, raw) === kid, "note_malformed");
    need(!(Math.max(...Object.keys(keys)) >= day), "note_malformed");
    keys[day] = url(raw);
  }
  return keys;
}
function merge(before, list, today) { // the first key of a day is final
  const near = filtered(list, ([day]) => day <= today + 15);
  need(Object.entries(near).every(([day, key]) => (before[day] ?? key) === key), "list_refused");
  return filtered({ ...before, ...near }, ([day]) => day >= today - 4);
}
// -- credential.md, presentation.md
const hole = (name, size) => `(?<${name}>.{${2 * size}})`, SIGNED = `5840${hole("signature", 64)}`;
const FIELDS = `8619(?!00)${hole("day", 2)}(?<mode>0[01])50${hole("visit", 16)}5820${hole("holder", 32)}5848.{144}50`;
const CREDENTIAL = `8449a201320444${hole("kid", 4)}a05893(?<payload>${FIELDS}${hole("commitment", 16)})${SIGNED}`;
const SHOWN = `a13a0001117082(?<status>0[0-3])50${hole("salt", 16)}`;
const TOKEN = `8443a10132(a0|${SHOWN})(?<rest>58eb821a(?!0000)${hole("iat", 4)}58e3${hole("inner", 227)}${SIGNED})`;
const unpack = (shape, data, found = new RegExp(`^${shape}$`).exec(data.toString("hex"))) => // the holes
  mapped(need(found, "token_malformed").groups, hex);
const sized = (data) => cat(data.length < 24 ? [0x40 + data.length] : [0x58, data.length], data);
const toSign = (head, aad, body) => cat([0x84, 0x6a], "Signature1", sized(hex(head)), sized(aad), sized(body));
const presented = (iat, inner) => toSign("a10132", cat("ck1/presentation"), cat(hex("821a"), iat, hex("58e3"), inner));
const opens = (commitment, status, salt) => sha("ck1/status", salt, status).subarray(0, 16).equals(commitment);
function requireIssued({ kid, day, payload, signature }, issuers) { // issuer → {keys}; a kid is a hint
  const hint = kid.toString("hex"), listed = Object.entries(mapped(issuers, ({ keys }) => keys[day.readUInt16BE()]));
  const found = listed.filter(([issuer, key]) => key && kidOf(issuer, unurl(key)) === hint);
  const signed = (issuer) => toSign(`a201320444${hint}`, cat("ck1/credential", uint(4, issuer)), payload);
  need(found.length, "unknown_issuer_key");
  need(found.some(([issuer, key]) => verifies(unurl(key), signed(issuer), signature)), "bad_signature");
}
const offset = (zone, at) => // seconds ahead of UTC
  Date.parse(`${new Date(at * 1000).toLocaleString("sv", { timeZone: zone })}Z`) / 1000 - Math.floor(at);
const localDay = (zone, at) => Math.floor((at + offset(zone, at)) / 86400);
const startOf = (zone, day) => Math.min(...[-1, 1].map((by) => day * 86400 - offset(zone, (day + by) * 86400))
  .filter((at) => localDay(zone, at) >= day)); // by the clock of the day before or after
function judge(text, now, { zone, rule, issuers }) { // presentation.md §3, steps 1 to 8
  need(text.startsWith("CK1:") && text.length <= 772, "token_malformed");
  const { status, salt, rest, iat, inner, signature } = unpack(TOKEN, unbase45(text.slice(4)));
  const one = unpack(CREDENTIAL, inner), day = one.day.readUInt16BE(), paper = one.mode[0], at = iat.readUInt32BE();
  const [first, last] = paper ? [startOf(zone, day) - 5, startOf(zone, day + 1) + 65] : [at - 5, at + 20];
  need(now >= first, "token_not_yet_valid") && need(now <= last, "token_expired");
  need(localDay(zone, at) === day && (!paper || at === startOf(zone, day)), "wrong_day");
  requireIssued(one, issuers);
  need(verifies(one.holder, presented(iat, inner), signature), "bad_signature");
  need(!status || opens(one.commitment, status, salt), "bad_status");
  need(!rule.length || (status && rule.includes(status[0])), "status_required");
  return { day, mark: url(sha("seen", one.visit)), last, plain: cat(hex("8443a10132a0"), rest) };
}
// -- conformance.md: lines, the file that is kept, and what the harness answers
const NAME = process.argv[2], FILE = `${NAME}.json`;
const state = { queue: [], aside: [], seen: {}, issuers: {}, intake: {}, batch: 1000, held: {}, notices: [] };
if (fs.existsSync(FILE)) Object.assign(state, JSON.parse(fs.readFileSync(FILE)));
let unread = "", clock = {}, open = null; // `open` is the code that is shown now
function save() {
  fs.writeFileSync(`${FILE}.new`, JSON.stringify(state), { mode: 0o600, flush: true });
  fs.renameSync(`${FILE}.new`, FILE);
}
const write = (content) => fs.writeSync(1, `${JSON.stringify(content)}\n`);
function line(buffer = Buffer.alloc(65536)) { // the next one, which tells the time; without one the program ends
  while (!unread.includes("\n")) unread += buffer.toString("latin1", 0, fs.readSync(0, buffer) || process.exit());
  [clock, unread] = [JSON.parse(unread.slice(0, unread.indexOf("\n"))), unread.slice(unread.indexOf("\n") + 1)];
  return clock;
}
function ask(path, body, fits = () => true) { // scanner.md §6.3: what is no answer is `unreachable`
  write({ ask: { method: body ? "POST" : "GET", path, body, token: state.token } });
  const { type, status, body: content } = line().answer ?? refuse("unreachable"), told = parse(content, "unreachable");
  const coded = type === "application/problem+json" && told.type === `urn:checkin:problem:${told.code}`;
  if (coded && told.status === status && status >= 400) refuse(told.code, status);
  return [200, 201].includes(status) && type === "application/json" && fits(told) ? told : refuse("unreachable");
}
const now = ({ told, steady, device } = state.time ?? {}) => // by the clock that nobody sets; after a start, by its own
  (told === undefined ? clock.now : told + (clock.steady >= steady ? clock.steady - steady : clock.now - device));
function hear(service, path, ...asking) { // issuer.md §8.2: [the answer, the signed time in it]
  const asked = clock.steady, own = url(c.randomBytes(16)), told = ask(`${path}nonce=${own}`, ...asking);
  const from = service(told), head = `checkin/time/v1\nservice ${from.name}\nnonce ${own}\ntime `;
  const [before, text] = openNote(told.time_note ?? told.note, [from]).split(/(?<=\ntime )/);
  const [, date, clocked] = (before === head && INSTANT.exec(text)) || refuse("note_untrusted");
  const time = dayOf(date) && Date.parse(date + clocked) / 1000, latest = time + 1 + clock.steady - asked;
  const believed = now() >= time && now() <= latest ? now() : (time + latest) / 2;
  state.time = { told: believed, steady: clock.steady, device: clock.now };
  return [told, time];
}
const scanner = {
  enrol({ code }) {
    const { venue_id: venue, scanner_id: id, scanner_token: token } = parse(code, "enrolment_malformed");
    const fits = /^\["[0-9a-f]{16}","[0-9a-f]{16}","[\w.~+/=-]{16,256}"\]$/.test(JSON.stringify([venue, id, token]));
    Object.assign(state, need(fits, "enrolment_malformed") && { place: venue + id, token });
  },
  tend() {
    const owner = (told) => vkey(state.registry ?? told.registry?.vkey, 1);
    const [told] = hear(owner, `/v1/trust?waiting=${state.queue.length}&`);
    try { scanner.lists(told, owner(told)); } finally { scanner.upload(); }
  },
  lists(told, owner) { // whole or not at all, but for single issuers' lists
    const { zone, status_rule: rule } = told, today = localDay(zone, now()), log = state.log ?? told.log, refused = [];
    const intake = merge(state.intake, openList(null, owner, told.intake, told.intake_proof, log), today);
    const issuers = { ...state.issuers };
    for (const { issuer, vkey: named, list, proof } of told.issuers) {
      const { pinned = named, keys = {} } = issuers[issuer] ?? {};
      const read = () => merge(keys, openList(issuer, vkey(pinned, 1), list, proof, log), today);
      try { issuers[issuer] = { pinned, keys: read() }; } catch (error) { refused.push(error); }
    }
    if (refused.length === told.issuers.length) throw refused[0];
    Object.assign(state, { registry: owner.vkey, log, intake, issuers, rule, zone, heard: now() });
  },
  upload() {
    const one = ({ result }) => /^(accepted|repeated|conflict|undecided|refused)$/.test(result);
    for (let kept = 0; kept < state.queue.length; save()) {
      const sent = state.queue.slice(kept, kept + state.batch), fits = (told) => told.results?.length === sent.length;
      state.batch = Math.max(1, sent.length >> 1); // the next time, if no answer comes
      const { results } = ask("/v1/check-ins/batch", { sealed: sent }, (told) => fits(told) && told.results.every(one));
      const [refused, left] = ["refused", "undecided"].map((what) => sent.filter((_, i) => results[i].result === what));
      state.aside.push(...refused);
      state.queue.splice(kept, sent.length, ...left);
      [kept, state.batch] = [kept + left.length, 1000];
    }
  },
  scan({ text }) {
    const at = now(), id = c.randomBytes(16), fits = (told) => /^(accepted|repeated)$/.test(told.result);
    need(state.heard && at - state.heard <= 86400, "scanner_stale");
    const { day, mark, last, plain } = judge(text, at, state), info = cat("ck1/intake", hex(state.place), uint(4, day));
    state.seen = filtered(state.seen, ([, end]) => end >= at);
    need(!state.seen[mark], "already_used");
    let result = "queued";
    try {
      ({ result } = ask("/v1/check-ins", { token: `CK1:${base45(plain)}`, scan_id: url(id) }, fits));
    } catch (error) {
      if (error.status < 500 && error.status !== 429) throw error;
      const key = unurl(state.intake[day] ?? refuse("scanner_stale"));
      state.queue.push(url(cat(uint(4, day), seal(key, info, cat(uint(4, Math.floor(at)), id, plain)))));
    }
    state.seen[mark] = last;
    return { result };
  },
  state: () => ({ waiting: state.queue.length, refused: state.aside.length }),
};
const ZONE = "Asia/Seoul", today = () => localDay(ZONE, now());
const unused = () => (state.held[today()] ?? []).filter((one) => !one.used);
const wallet = {
  pin: ({ issuer, log }) => void Object.assign(state, { issuer, log }),
  register({ name, phone }) { state.pending = ask("/v1/registrations", { name, phone }, (it) => it.registration_id); },
  confirm({ code }) {
    const told = ask(`/v1/registrations/${state.pending.registration_id}/confirm`, { code }, (one) => one.wallet_token);
    Object.assign(state, { token: told.wallet_token, recovery: told.recovery_code });
  },
  fetch() {
    try { return wallet.batch(today()); } catch (error) { need(error.refused === "day_not_issued", error.refused); }
    hear(() => vkey(state.issuer, 1), "/v1/time?");
    return wallet.batch(today());
  },
  batch(day) {
    const { list, proof, issuer } = ask("/v1/keys"), owner = vkey(state.issuer, 1);
    const issuers = { [issuer]: { keys: openList(issuer, owner, list, proof, state.log) } };
    const own = Array.from({ length: 10 }, () => pair("ed25519")), body = { day, holder_keys: own.map(({ x }) => x) };
    const fits = ({ credentials: made, status_openings: told }) => made?.length === 10 && told?.length === 10;
    const [told, time] = hear(() => owner, "/v1/credentials?", body, fits);
    const batch = told.credentials.map((text, i) => { // credential.md §4
      const one = unpack(CREDENTIAL, unurl(text)), { status, salt } = told.status_openings[i];
      requireIssued({ ...one, day: uint(2, day) }, issuers);
      need(opens(one.commitment, [status], unurl(salt, 16)), "bad_status");
      need(one.day.readUInt16BE() === day && !one.mode[0] && url(one.holder) === own[i].x, "service_error");
      return { credential: text, key: own[i], status, salt };
    });
    const notices = new Set([...state.notices, ...told.disclosures].map((one) => JSON.stringify(one)));
    state.notices = [...notices].map((one) => JSON.parse(one)).filter((one) => one.day > dateOf(day - 28));
    const kept = { ...state.held, [day]: [...state.held[day] ?? [], ...batch] };
    state.held = filtered(kept, ([old]) => old >= localDay(ZONE, time));
  },
  open({ show_status: shows = false }) {
    open = { ...(unused()[0] ?? refuse("none_left")), shows };
    unused()[0].used = true;
    save(); // before it is shown
    return wallet.renew();
  },
  renew() {
    const { credential, key, status, salt, shows } = open, iat = uint(4, Math.floor(now())), inner = unurl(credential);
    const header = shows ? [hex("a13a0001117082"), [status, 0x50], unurl(salt)] : [[0xa0]];
    const signature = c.sign(null, presented(iat, inner), privateKey(key));
    const token = cat(hex("8443a10132"), ...header, hex("58eb821a"), iat, hex("58e3"), inner, hex("5840"), signature);
    return { token: `CK1:${base45(token)}` };
  },
  state: () => ({ left: unused().length, notices: state.notices.length }),
};
for (let said; ; save(), write(said)) { // kept before it is told
  try { said = { done: { wallet, scanner }[NAME][line().do](clock) ?? {} }; } catch ({ refused = "service_error" }) {
    said = { refused, clock: Math.abs(clock.now - now()) > 10 };
  }
}
