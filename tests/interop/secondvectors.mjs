// What the second implementation answers to the vectors, as far as it goes: `node secondvectors.mjs` prints [[name, expected, got], …]
import * as fs from "node:fs";
const read = (path) => fs.readFileSync(new URL(path, import.meta.url), "utf-8");
const vectors = (name) => JSON.parse(read(`../vectors/${name}.json`));
const rules = read("second/party.mjs").split("// -- conformance.md")[0]; // what follows reads standard input
const names = "vkey, openNote, openList, requireLogged, judge, base45, unbase45, dateOf, dayOf, localDay, startOf";
const party = await import(`data:text/javascript,${encodeURIComponent(`${rules}\nexport { ${names} };`)}`);

function answer(work) {
  try {
    return work() ?? "ok";
  } catch (error) {
    return error.refused ?? String(error); // a crash is no refusal
  }
}

const { cases: notes } = vectors("notes");
const { proofs } = vectors("logproof");
const { cases: codes, zone, issuer_keys: listed } = vectors("presentation");
const { good, bad } = vectors("encoding").base45;
const { cases: zones, dates } = vectors("calendar");
const issuers = {};
for (const { issuer, day, public: key } of listed) {
  issuers[issuer] = { keys: { ...issuers[issuer]?.keys, [day]: Buffer.from(key, "hex").toString("base64url") } };
}
const same = (got, wanted) => (got === wanted ? "ok" : `gives ${got}`);

const results = [
  ...notes.map(({ name, note, vkeys, threshold, text, expected }) => [name, expected,
    answer(() => same(party.openNote(note, vkeys.map((one) => party.vkey(one, 1)), threshold), text))]),
  ...proofs.map(({ name, proof, entry, log, witnesses, quorum, expected }) => [name, expected,
    answer(() => party.requireLogged({ vkey: log, witnesses, quorum: quorum ?? Math.min(1, witnesses.length) }, Buffer.from(entry, "hex"), proof))]),
  ...codes.map(({ name, text, now, rule, expected }) => [name, expected,
    answer(() => void party.judge(text, now, { zone, rule, issuers }))]),
  ...good.map(({ bytes, text }) => [text, "ok",
    answer(() => same(party.unbase45(text).toString("hex") + party.base45(Buffer.from(bytes, "hex")), bytes + text))]),
  ...bad.map((text) => [text, "token_malformed", answer(() => void party.unbase45(text))]),
  ...zones.flatMap(({ zone: where, day, start, instants }) => [
    [`${where} ${day}`, "ok", answer(() => same(party.startOf(where, day), start))],
    ...instants.map(({ at, day: on }) => [`${where} ${at}`, "ok", answer(() => same(party.localDay(where, at), on))])]),
  ...dates.good.map(({ text, day }) => [text, "ok", answer(() => same(party.dayOf(text), day))]),
  ...dates.bad.map((text) => [text, "note_malformed", answer(() => void party.dayOf(text))]),
];
console.log(JSON.stringify(results));
