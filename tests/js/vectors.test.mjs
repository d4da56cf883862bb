// `node --test tests/js/`: the pages' modules answer the project's vectors as the Python implementation does.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { judgeAll, load } from "./judge.js";

const folder = process.env.CHECKIN_VECTORS ?? new URL("../vectors", import.meta.url).pathname;
const modules = await load(new URL("../../checkin/web/static/js", import.meta.url).pathname);
const { fromHex, toHex } = modules.encoding;

const OWN = "presentation credential intake encoding logproof merkle notes time lists trust answers toldtime enrolment calendar";
const MADE = "signatures keys"; // by tests/browser/test_vectors_js.py
const FILES = `${OWN} ${MADE}`.split(" ");
for (const name of FILES.filter((file) => existsSync(`${folder}/${file}.json`))) {
  const vectors = JSON.parse(readFileSync(`${folder}/${name}.json`, "utf-8"));
  for (const result of await judgeAll(modules, { [name]: vectors })) {
    test(result.name, () => assert.equal(result.got, result.expected));
  }
}

test("an entry sealed here opens here, and nowhere else", async () => {
  const key = fromHex("7".repeat(64));
  const { CipherSuite, DhkemX25519HkdfSha256, HkdfSha256, Aes256Gcm } = await import(
    "../../checkin/web/static/vendor/hpke/core/mod.js"
  );
  const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const pair = await suite.kem.deriveKeyPair(key);
  const [open, shut] = await Promise.all([
    suite.kem.serializePrivateKey(pair.privateKey),
    suite.kem.serializePublicKey(pair.publicKey),
  ]);
  const place = { venue: fromHex("11".repeat(8)), scanner: fromHex("22".repeat(8)) };
  const scan = { scannedAt: 1795143603, scanId: fromHex("33".repeat(16)), token: fromHex("44".repeat(309)) };
  const entry = await modules.intake.sealEntry(scan, 20777, place, new Uint8Array(shut));
  assert.equal(entry.length, modules.intake.ENTRY_SIZE);
  const opened = await modules.intake.openEntry(entry, place, new Uint8Array(open));
  assert.equal(toHex(opened.token), toHex(scan.token));
  const elsewhere = { ...place, scanner: fromHex("23".repeat(8)) };
  await assert.rejects(modules.intake.openEntry(entry, elsewhere, new Uint8Array(open)), { code: "entry_unreadable" });
});
