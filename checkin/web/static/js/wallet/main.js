// The wallet page: opening it is showing the code.

import { Calendar } from "../calendar.js";
import { allowSound } from "../feedback.js";
import { loadMessages, say, wireLanguageButtons } from "../messages.js";
import { keepOffline } from "../offline.js";
import { newSigningKey } from "../primitives.js";
import { Account } from "./account.js";
import { clockAhead, work } from "./batches.js";
import { CodeView } from "./code.js";
import { More } from "./more.js";
import { Setup } from "./setup.js";
import { onShake } from "./shake.js";

const AWAY_MS = 30_000; // longer away than this, and the code is opened anew: it may have been scanned
const CLOCK_SECONDS = 4;
const VIEWS = ["unfit", "setup", "code", "more"];
const { zone, vkey } = document.body.dataset;
const clock = () => Date.now() / 1000;
const $ = (id) => document.getElementById(id);

function show(view) {
  for (const id of VIEWS) $(id).hidden = id !== view;
  document.body.dataset.view = view;
}

async function start() {
  await loadMessages("wallet");
  wireLanguageButtons();
  const key = await newSigningKey().catch(() => null);
  if (!key) return show("unfit");
  const calendar = new Calendar(zone);
  const account = await Account.open();
  const code = new CodeView(account, calendar, clock);
  const openCode = () => {
    if (location.hash) history.replaceState(null, "", location.pathname + location.search);
    show("code");
    return code.open().catch((error) => expire(error, account));
  };
  const more = new More(account, calendar, clock, {
    forgotten: () => begin(),
    proved: () => account.dropUnused(),
  });
  const setup = new Setup(
    async (token) => {
      await account.begin(token, vkey);
      await account.set("zone", zone);
    },
    async (shake) => {
      await account.set("shake", shake);
      await openCode();
      watch();
    },
  );

  function begin() {
    code.close();
    show("setup");
    setup.step(0);
  }

  function expire(error) {
    if (error.code !== "unauthorized") return;
    $("code-warning").textContent = say("error_unauthorized");
    $("code-warning").hidden = false;
  }

  function route() {
    if (!account.token) return begin();
    if (location.hash !== "#more") return openCode();
    code.close();
    show("more");
    more.show();
    $("more-title").focus();
    return undefined;
  }

  let watching = false;
  function watch() {
    if (watching) return;
    watching = true;
    const again = async () => {
      const wait = account.token ? await work(account, calendar, clock()).catch(() => 300) : 300;
      setTimeout(again, wait * 1000);
    };
    setTimeout(again, 5000);
    warnOfClock();
    navigator.wakeLock?.request("screen").catch(() => {});
  }

  $("new-code").addEventListener("click", openCode);
  $("show-status").addEventListener("click", async () => {
    const shown = await code.toggleStatus();
    $("code-warning").hidden = shown;
    if (!shown) $("code-warning").textContent = say("no_status");
  });
  onShake(async () => {
    const trying = !$("setup").hidden && !$("step-shake").hidden;
    if (trying) await account.set("shake", true);
    if (account.token && (await account.get("shake"))) await openCode();
    if (trying) watch();
  });
  addEventListener("hashchange", route);
  let hiddenAt = 0;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hiddenAt = performance.now();
    else if (!$("code").hidden && performance.now() - hiddenAt > AWAY_MS) openCode();
  });
  if (account.token) watch();
  await route();
}

async function warnOfClock() {
  const ahead = await clockAhead(clock);
  if (ahead === null || Math.abs(ahead) < CLOCK_SECONDS) return;
  $("code-warning").textContent = say("clock_wrong", { seconds: Math.round(Math.abs(ahead)) });
  $("code-warning").hidden = false;
}

allowSound();
await start();
document.body.dataset.started = "true";
const registration = await keepOffline("wallet", { background: true });
registration?.periodicSync?.register("batches", { minInterval: 3 * 3600 * 1000 }).catch(() => {});
