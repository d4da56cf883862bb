// The project's vectors, judged by the pages' modules; node and the browser run this very file.
//
// judgeAll returns a list of {name, expected, got}; whoever calls it compares.

const NAMES =
  "answer calendar cosignature credential curve encoding errors intake keylist log logproof merkle note presentation public/steps scanner/enrol scanner/time signedtime statement trust wallet/batches".split(" ");

/** The modules under test, from a folder or an address; primitives last, so that a failing import names it. */
export async function load(base) {
  const modules = {};
  for (const name of [...NAMES, "primitives"]) modules[name] = await import(`${base}/${name}.js`);
  return modules;
}

/** `ok`, the code of a Refusal, or `not an encoding` for a decoder's TypeError; other exceptions are passed on. */
async function verdict(work) {
  try {
    await work();
  } catch (error) {
    if (error.name === "Refusal") return error.code;
    if (error instanceof TypeError) return "not an encoding";
    throw error;
  }
  return "ok";
}

/**
 * @param modules of load()
 * @param vectors the content of presentation.json, credential.json, intake.json, encoding.json, logproof.json by name;
 *   and so on; made by Python on the spot: `signatures`, a list of {name, public, message, signature, expected}, and `keys`
 */
export async function judgeAll(modules, vectors) {
  const results = [];
  for (const [name, judge] of Object.entries(JUDGES)) {
    if (!vectors[name]) continue;
    for (const result of await judge(modules, vectors[name])) results.push({ ...result, name: `${name}: ${result.name}` });
  }
  return results;
}

const JUDGES = {
  presentation: judgePresentations,
  credential: judgeCredential,
  intake: judgeIntake,
  encoding: judgeEncoding,
  signatures: judgeSignatures,
  keys: judgeKeys,
  notes: judgeNotes,
  lists: judgeLists,
  calendar: judgeCalendar,
  merkle: judgeMerkle,
  logproof: judgeLogproof,
  answers: judgeAnswers,
  time: judgeTimes,
  toldtime: judgeToldTime,
  enrolment: judgeEnrolment,
  trust: judgeTrust,
};

async function judgeAnswers({ answer }, { cases }) {
  const { listOf, object, oneOf, optional, text } = answer;
  const outcome = oneOf("accepted", "repeated", "conflict", "refused", "undecided");
  const models = {
    any: object(),
    "check-in": object({ result: oneOf("accepted", "repeated") }),
    batch: object({ results: listOf(object({ result: outcome, code: optional(text) })) }),
  };
  const results = [];
  for (const { name, expected, status, kind, content, model } of cases) {
    const file = () => answer.readFile(status, kind, new TextEncoder().encode(content));
    const read = model === "file" ? file : () => answer.readAnswer(status, kind, content, models[model]);
    results.push({ name, expected, got: await verdict(read) });
  }
  return results;
}

async function judgePresentations({ calendar, credential, encoding, errors, presentation }, vectors) {
  const { fromHex, toHex } = encoding;
  const zone = new calendar.Calendar(vectors.zone);
  const keysOf = (day) => {
    const listed = vectors.issuer_keys.filter((key) => key.day === day);
    return credential.byKid(listed.map((key) => ({ ...key, public: fromHex(key.public) })));
  };
  const judge = (item) => presentation.verifyText(item.text, item.now, zone, keysOf, item.rule);
  const results = [];
  for (const item of vectors.cases) {
    results.push({ name: item.name, expected: item.expected, got: await verdict(() => judge(item)) });
    if (item.expected !== "ok") continue;
    const again = presentation.toText(presentation.fromText(item.text));
    results.push({ name: `${item.name}, encoded again`, expected: item.text, got: again });
  }
  for (const sequence of vectors.sequences) {
    const seen = new Set();
    for (const scan of sequence.scans) {
      const got = await verdict(async () => {
        const visit = toHex((await judge(scan)).credential.visitId);
        if (seen.has(visit)) throw new errors.Refusal("already_used");
        seen.add(visit);
      });
      results.push({ name: `${sequence.name}: ${scan.name}`, expected: scan.expected, got });
    }
  }
  return results;
}

async function judgeCredential({ credential, encoding, presentation, primitives, "wallet/batches": batches }, vectors) {
  const { fromHex, toHex } = encoding;
  const raw = (name) => fromHex(vectors[name]);
  const read = credential.readCredential(raw("credential"));
  const opening = { status: vectors.status, salt: raw("salt") };
  const holder = await primitives.signingKeyOf(raw("holder_seed"));
  const fields = [
    ["kid", read.kid],
    ["visit_id", read.visitId],
    ["holder_public", read.holderKey],
    ["sealed_subject", read.sealedSubject],
    ["commitment", read.commitment],
    ["kid", await credential.kidOf(vectors.issuer, raw("issuer_public"))],
    ["commitment", await credential.commitmentOf(opening)],
    ["token", await presentation.present(raw("credential"), holder, vectors.iat)],
    ["token_with_status", await presentation.present(raw("credential"), holder, vectors.iat, opening)],
  ];
  const results = fields.map(([name, value]) => ({ name, expected: vectors[name], got: toHex(value) }));
  for (const name of ["day", "mode"]) results.push({ name, expected: vectors[name], got: read[name] });
  const genuine = { issuer: vectors.issuer, public: raw("issuer_public") };
  for (const [name, key, expected] of [
    ["its issuer", genuine, "ok"],
    ["another issuer", { ...genuine, issuer: vectors.issuer + 1 }, "bad_signature"],
  ]) {
    results.push({ name, expected, got: await verdict(() => credential.verifyCredential(read, key)) });
  }
  const listed = { ...genuine, kid: vectors.kid };
  for (const { name, credential: encoded, status, salt, expected } of vectors.cases) {
    const item = { public: raw("holder_public"), encoded: fromHex(encoded), opening: { status, salt: fromHex(salt) } };
    const got = await verdict(() => batches.check(item, vectors.day, vectors.mode, listed));
    results.push({ name, expected, got });
  }
  return results;
}

async function judgeIntake({ encoding, intake }, vectors) {
  const { fromHex, toHex } = encoding;
  const key = fromHex(vectors.intake_private);
  const open = async (entry, place) => {
    const scan = await intake.openEntry(entry, place, key);
    return JSON.stringify({ scanned_at: scan.scannedAt, scan_id: toHex(scan.scanId), token: toHex(scan.token) });
  };
  const results = [];
  for (const item of vectors.cases) {
    const place = { venue: fromHex(item.venue), scanner: fromHex(item.scanner) };
    let text;
    const got = await verdict(async () => (text = await open(fromHex(item.entry), place)));
    results.push({ name: item.name, expected: item.expected, got });
    if (got === "ok") results.push({ name: `${item.name}, opened`, expected: JSON.stringify(vectors.scan), got: text });
  }
  return results;
}

async function judgeEncoding({ encoding }, vectors) {
  const { base45Decode, base45Encode, base64urlDecode, base64urlEncode, decimalDecode, fromHex, toHex } = encoding;
  const results = [];
  const both = (name, decode, encode, { good, bad }, refusal) => {
    for (const { bytes, text } of good) {
      results.push({ name: `${name} of ${bytes}`, expected: text, got: encode(fromHex(bytes)) });
      results.push({ name: `${name} ${text}`, expected: bytes, got: toHex(decode(text)) });
    }
    return bad.map(async (text) => ({ name: `${name} ${text}`, expected: refusal, got: await verdict(() => decode(text)) }));
  };
  const bad = [
    ...both("base45", base45Decode, base45Encode, vectors.base45, "token_malformed"),
    ...both("base64url", base64urlDecode, base64urlEncode, vectors.base64url, "not an encoding"),
  ];
  for (const text of vectors.decimal.good) results.push({ name: text, expected: text, got: String(decimalDecode(text)) });
  for (const text of vectors.decimal.bad) {
    bad.push(verdict(() => decimalDecode(text)).then((got) => ({ name: `decimal ${text}`, expected: "not an encoding", got })));
  }
  return [...results, ...(await Promise.all(bad))];
}

async function judgeSignatures({ encoding, primitives }, cases) {
  const results = [];
  for (const item of cases) {
    const [key, message, signature] = [item.public, item.message, item.signature].map(encoding.fromHex);
    const got = await verdict(() => primitives.verify(key, message, signature));
    results.push({ name: item.name, expected: item.expected, got });
  }
  return results;
}

function judgeKeys({ curve, encoding }, cases) {
  return cases.map(({ public: key, expected }) => {
    const got = curve.isSigningKey(encoding.fromHex(key)) ? "ok" : "holder_key_invalid";
    return { name: key, expected, got };
  });
}

async function judgeNotes({ note, "public/steps": { AUDIT, PURGE_REPORT }, statement }, { cases, values, statements }) {
  const results = await judgeValues(statement, values);
  for (const { name, kind, text, expected } of statements) {
    const type = [AUDIT, PURGE_REPORT].find((one) => one.kind === kind);
    results.push({ name, expected, got: await verdict(() => type.read(text)) });
  }
  for (const item of cases) {
    let opened;
    const got = await verdict(async () => {
      opened = await note.openNote(item.note, await Promise.all(item.vkeys.map(note.parseVkey)), item.threshold);
    });
    results.push({ name: item.name, expected: item.expected, got });
    if (got === "ok") results.push({ name: `${item.name}, text`, expected: item.text, got: opened.text });
  }
  return results;
}

async function judgeLists({ keylist }, { cases, merges }) {
  const results = [];
  const readers = { issuer: keylist.readIssuerList, intake: keylist.readIntakeList }; // no page reads the authority's
  for (const item of cases.filter(({ kind }) => kind in readers)) {
    results.push({ name: item.name, expected: item.expected, got: await verdict(() => readers[item.kind](item.text)) });
  }
  for (const item of merges) {
    const keysOf = async (text) => (text ? (await readers[item.kind](text)).keys : new Map());
    let days = await keysOf(item.known);
    const fresh = await keysOf(item.fresh);
    const got = await verdict(() => (days = keylist.merge(days, fresh)));
    results.push({ name: item.name, expected: item.expected, got });
    results.push({ name: `${item.name}, days`, expected: item.days.join(), got: [...days.keys()].sort().join() });
  }
  return results;
}

async function judgeTimes({ note, signedtime }, { vkey, nonce, cases }) {
  const verifier = await note.parseVkey(vkey);
  const results = [];
  for (const item of cases) {
    let time = null;
    const got = await verdict(async () => (time = await signedtime.readSignedTime(item.note, verifier, nonce)));
    results.push({ name: item.name, expected: item.expected, got });
    results.push({ name: `${item.name}, seconds`, expected: item.time, got: time });
  }
  return results;
}

/** A device's two clocks, moment by moment. */
async function judgeToldTime({ "scanner/time": { ToldTime } }, { cases }) {
  return cases.map(({ name, moves, expected, page }) => {
    let clocks = moves[0];
    const opened = (kept) => new ToldTime(kept, () => clocks.wall, () => clocks.steady);
    let time = opened();
    const seen = moves.map((move) => {
      if (move.opened || move.start !== clocks.start) time = opened(structuredClone(time.kept));
      clocks = move;
      if (move.hidden) time.hide();
      if ("told" in move) time.tell(move.told, move.asked, Boolean(move.hidden));
      return { now: time.now(), off: time.off(), proved: time.proved() };
    });
    return { name, expected: JSON.stringify(page ?? expected), got: JSON.stringify(seen) };
  });
}

async function judgeEnrolment({ "scanner/enrol": { readEnrolment, writeEnrolment } }, { cases }) {
  const results = [];
  for (const { name, code, expected, device } of cases) {
    let read = null;
    results.push({ name, expected, got: await verdict(() => (read = readEnrolment(code))) });
    const sorted = (value) => JSON.stringify(value && Object.entries(value).sort());
    results.push({ name: `${name}, device`, expected: sorted(device), got: sorted(read) });
    if (read) results.push({ name: `${name}, again`, expected: sorted(read), got: sorted(readEnrolment(writeEnrolment(read))) });
  }
  return results;
}

/** What is told in turn, each time as after a restart. */
async function judgeTrust({ trust }, { now, cases, answers, after }) {
  const results = [];
  for (const item of cases) {
    let [stored, passed, got, ours] = [undefined, [], null, false];
    for (const { answer, nonce, late } of item.told) {
      const scanner = new trust.Trust(stored);
      got = await verdict(() => scanner.update(answers[answer], nonce, now + late));
      passed = got === "ok" ? scanner.passed : [];
      [stored, ours] = [structuredClone(scanner.stored), scanner.met];
    }
    results.push({ name: item.name, expected: item.expected, got });
    const days = (keys) => [...keys.keys()].sort();
    const known = {
      ours,
      passed: [...passed].sort(),
      issuers: Object.fromEntries([...stored.issuers].sort().map(([issuer, keys]) => [issuer, days(keys)])),
      pinned: days(stored.issuerVkeys),
      intake: days(stored.intake),
      log: stored.log?.vkey ?? null,
    };
    const expected = Object.fromEntries(Object.keys(known).map((key) => [key, item[key]]));
    results.push({ name: `${item.name}, known`, expected: JSON.stringify(expected), got: JSON.stringify(known) });
  }
  const scanner = new trust.Trust({ time: now });
  for (const { late, expected } of after) {
    results.push({ name: `${late} s later`, expected, got: await verdict(() => scanner.requireTime(now + late)) });
  }
  return results;
}

async function judgeValues(statement, cases) {
  const type = new statement.StatementType("checkin/words/v1", { name: "words" });
  const results = [];
  for (const { text, expected } of cases) {
    results.push({ name: text, expected, got: await verdict(() => type.read(text)) });
  }
  return results;
}

async function judgeCalendar({ calendar }, { cases, dates }) {
  const { date, parseDate } = calendar.Calendar;
  const bad = dates.bad.map(async (text) => ({ name: text, expected: "not an encoding", got: await verdict(() => parseDate(text)) }));
  const good = dates.good.flatMap(({ text, day }) => [
    { name: text, expected: day, got: parseDate(text) },
    { name: `day ${day}`, expected: text, got: date(day) },
  ]);
  const days = cases.flatMap(({ zone, day, start, labels, instants }) => {
    const place = new calendar.Calendar(zone);
    return [
      { name: `start of ${day} in ${zone}`, expected: start, got: place.start(day) },
      { name: `hours of ${day} in ${zone}`, expected: labels.join(), got: place.hourLabels(day).join() },
      ...instants.map((item) => ({ name: `${item.at} in ${zone}`, expected: item.day, got: place.day(item.at) })),
    ];
  });
  return [...days, ...good, ...(await Promise.all(bad))];
}

async function judgeMerkle({ encoding, log, merkle }, { proofs, logs, paths }) {
  const { fromHex, toHex } = encoding;
  const results = paths.map(({ tile, path }) => ({ name: path, expected: path, got: log.tilePath(...tile) }));
  for (const { kind, name, numbers, hashes, proof, expected } of proofs) {
    const [one, other] = hashes.map(fromHex);
    const [first, size] = numbers;
    const verify = kind === "inclusion" ? merkle.verifyInclusion : merkle.verifyConsistency;
    const values = kind === "inclusion" ? [one, first, size, proof.map(fromHex), other] : [first, one, size, other, proof.map(fromHex)];
    results.push({ name: `${kind} ${name}`, expected, got: await verdict(() => verify(...values)) });
  }
  for (const { size, root, files, entries, earlier } of logs) {
    const read = async (path) => (path in files ? fromHex(files[path]) : null);
    const opened = new log.Log({ size, root: fromHex(root) }, read);
    results.push({ name: `root of ${size}`, expected: root, got: toHex(await opened.computeRoot()) });
    for (const [index, entry] of entries) {
      results.push({ name: `entry ${index} of ${size}`, expected: entry, got: toHex(await opened.entry(index)) });
    }
    for (const { size: old, root: before, expected } of earlier) {
      const got = await verdict(() => opened.requireContinues({ size: old, root: fromHex(before) }));
      results.push({ name: `${size} continues ${old}`, expected, got });
    }
  }
  return results;
}

async function judgeLogproof({ cosignature, encoding, logproof, note }, { proofs, cosignatures }) {
  const pinned = (item) => Promise.all(item.witnesses.map(cosignature.parseWitness));
  const results = [];
  for (const item of proofs) {
    const got = await verdict(async () => {
      const [log, witnesses] = [await note.parseVkey(item.log), await pinned(item)];
      await logproof.verifyProof(item.proof, encoding.fromHex(item.entry), log, witnesses, item.quorum);
    });
    results.push({ name: `proof: ${item.name}`, expected: item.expected, got });
  }
  for (const item of cosignatures) {
    let times;
    const got = await verdict(async () => (times = await cosignature.cosignatures(item.note, await pinned(item))));
    results.push({ name: `cosignature: ${item.name}`, expected: item.expected, got });
    if (got !== "ok") continue;
    const spelled = Object.fromEntries([...times].map(([name, time]) => [name, String(time)]));
    results.push({ name: `${item.name}, times`, expected: JSON.stringify(item.times), got: JSON.stringify(spelled) });
  }
  return results;
}
