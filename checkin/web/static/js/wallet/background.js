// In a service worker that may import modules: the day's work of batches when the browser wakes it up.

import { Calendar } from "../calendar.js";
import { Account } from "./account.js";
import { work } from "./batches.js";
import { WalletClock } from "./clock.js";

self.addEventListener("periodicsync", (event) => {
  if (event.tag === "batches") event.waitUntil(run());
});

async function run() {
  const account = await Account.open();
  const zone = await account.get("zone");
  const clock = new WalletClock();
  clock.restore(await account.get("clock"));
  if (account.token && zone) await work(account, clock, new Calendar(zone));
}
