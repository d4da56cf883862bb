// Lighthouse over the addresses it is given, each once; two categories only, none of which depends on speed.
//
//   echo '[{"name": "wallet", "url": "http://…"}]' | node judge.mjs PATH-OF-CHROMIUM
//
// `session` of a page is put into its sessionStorage first; `seen` is a selector that must have been there in the end, so
// that it was this state which was judged. Written: a JSON object, name → {version, score: {category: 0…1}, failed:
// [audits that took points, with what they found]}.

import { text } from "node:stream/consumers";
import lighthouse from "lighthouse";
import puppeteer from "puppeteer-core";

const CATEGORIES = ["accessibility", "best-practices"];
const FLAGS = { onlyCategories: CATEGORIES, disableStorageReset: true, disableFullPageScreenshot: true, logLevel: "error" };
const MOBILE = { mobile: true, width: 390, height: 844, deviceScaleFactor: 1 };

function told(lhr) {
  const score = Object.fromEntries(CATEGORIES.map((name) => [name, lhr.categories[name].score]));
  const counted = CATEGORIES.flatMap((name) => lhr.categories[name].auditRefs).filter(({ weight }) => weight > 0);
  const failed = counted.map(({ id }) => lhr.audits[id]).filter(({ score: points }) => points !== null && points < 1);
  return { score, version: lhr.lighthouseVersion, failed: failed.map(({ id, title, details }) => ({ id, title, items: details?.items ?? [] })) };
}

async function judge(browser, { url, session, seen }) {
  const page = await browser.newPage();
  try {
    if (session) {
      await page.goto(url);
      await page.evaluate((entries) => Object.assign(sessionStorage, entries), session);
    }
    const { lhr } = await lighthouse(url, FLAGS, undefined, page);
    if (lhr.runtimeError) throw new Error(lhr.runtimeError.message);
    if (seen) await page.waitForSelector(seen, { visible: true });
    return told(lhr);
  } finally {
    await page.close();
  }
}

const pages = JSON.parse(await text(process.stdin));
const args = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
const browser = await puppeteer.launch({ executablePath: process.argv[2], args, defaultViewport: MOBILE });
try {
  const results = {};
  for (const page of pages) results[page.name] = await judge(browser, page);
  process.stdout.write(JSON.stringify(results));
} finally {
  await browser.close();
}
