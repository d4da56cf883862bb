// The wallet page: opening it is showing the code.

import { Calendar } from "../calendar.js";
import { codeOf } from "../errors.js";
import { allowSound } from "../feedback.js";
import { loadMessages, say, tell, wireLanguageButtons } from "../messages.js";
import { keepOffline } from "../registerworker.js";
import { startPage } from "../start.js";
import { missing } from "./ability.js";
import { Account } from "./account.js";
import { work } from "./batches.js";
import { WalletClock } from "./clock.js";
import { CodeView } from "./code.js";
import { More } from "./more.js";
import { Setup } from "./setup.js";
import { onShake } from "./shake.js";
import { onWake } from "./wake.js";

const FIRST_WORK_MS = 5000;
const REST_SECONDS = 300; // after a round that failed
const VIEWS = ["unfit", "setup", "code", "more"];
const { zone, vkey } = document.body.dataset;
const $ = (id) => document.getElementById(id);

function show(view) {
  for (const id of VIEWS) $(id).hidden = id !== view;
  document.body.dataset.view = view;
}

function refuse(lack) {
  tell($("unfit-text"), () => say(`unfit_${lack}`));
  show("unfit");
}

async function start() {
  await loadMessages("wallet");
  wireLanguageButtons();
  let account;
  try {
    account = await Account.open();
  } catch {
    return refuse("storage");
  }
  const lack = account.token ? "" : await missing(account);
  if (lack) return refuse(lack);
  const calendar = new Calendar(zone);
  const clock = new WalletClock();
  clock.restore(await account.get("clock"));
  const code = new CodeView(account, calendar, clock);
  const openCode = () => {
    if (location.hash) history.replaceState(null, "", location.pathname + location.search);
    show("code");
    return code.open().then(() => code.notice("ended", null), ended);
  };
  const more = new More(account, calendar, clock, {
    forgotten: (farewell) => begin(farewell),
    proved: () => account.dropUnused(),
  });
  const setup = new Setup(account, clock, {
    registered: async (token, recovery) => {
      await account.begin(token, vkey);
      await account.set("zone", zone);
      await account.set("recovery", recovery);
    },
    done: async (shake) => {
      await account.set("shake", shake);
      await openCode();
      watch();
    },
  });

  async function begin(farewell) {
    code.close();
    show("setup");
    await setup.begin(farewell);
  }

  /** What went wrong stands where the code would be; that the account has ended is told beside it. */
  function ended(error) {
    if (codeOf(error) === "unauthorized") code.notice("ended", () => say("error_unauthorized"));
  }

  function route() {
    if (!account.token) return begin();
    if (location.hash !== "#more") return openCode();
    code.close();
    show("more");
    $("more-title").focus();
    return more.show();
  }

  let watching = false;
  function watch() {
    if (watching) return;
    watching = true;
    const again = async () => {
      const wait = account.token ? await work(account, clock, calendar).catch(() => REST_SECONDS) : REST_SECONDS;
      setTimeout(again, wait * 1000);
    };
    setTimeout(again, FIRST_WORK_MS);
    stayAwake();
  }

  /** Browsers take the lock away whenever the page is hidden. */
  function stayAwake() {
    if (watching) navigator.wakeLock?.request("screen").catch(() => {});
  }

  $("new-code").addEventListener("click", openCode);
  $("show-status").addEventListener("click", () => code.toggleStatus());
  onShake(async () => {
    const trying = !$("setup").hidden && !$("step-shake").hidden;
    if (trying) await account.set("shake", true);
    if (account.token && (await account.get("shake"))) await openCode();
    if (trying) watch();
  });
  addEventListener("hashchange", route);
  onWake(
    () => {
      clock.leave();
      if (!$("code").hidden) code.leave();
      if (account.token) account.set("clock", clock.plain).catch(() => {});
    },
    () => {
      clock.comeBack();
      stayAwake();
      if (!$("code").hidden) code.comeBack().catch(ended);
    },
  );
  if (account.token) watch();
  await route();
}

allowSound();
await startPage(start);
const registration = await keepOffline("wallet", { background: true });
registration?.periodicSync?.register("batches", { minInterval: 3 * 3600 * 1000 }).catch(() => {});
