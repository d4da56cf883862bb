// The operator's page: today's numbers, scanners, the rule at the door, export. The token lives as long as the tab.

import { request } from "../api.js";
import { Calendar } from "../calendar.js";
import { loadMessages, onLanguage, say, sayError, wireLanguageButtons } from "../messages.js";
import { drawCode } from "../qrcode.js";
import { writeEnrolment } from "../scanner/enrol.js";
import { save, table } from "./csv.js";
import { drawBars, fillDays, fillRoom } from "./numbers.js";

const REFRESH_MS = 60_000;
const VIEWS = ["enter", "keep", "desk"];
const $ = (id) => document.getElementById(id);

class Desk {
  constructor() {
    const stored = sessionStorage.getItem("venue");
    this.venue = stored ? JSON.parse(stored) : null;
    this.days = [];
    this.scanners = [];
    this.calendar = new Calendar(document.body.dataset.zone);
  }

  ask(method, path, body) {
    const { venue_id: venue, operator_token: token } = this.venue;
    return request(method, `/v1/venues/${venue}${path}`, { token, body });
  }

  keep(venue) {
    this.venue = venue;
    if (venue) sessionStorage.setItem("venue", JSON.stringify(venue));
    else sessionStorage.removeItem("venue");
  }

  show(view) {
    for (const id of VIEWS) $(id).hidden = id !== view;
    $("venue-name").textContent = this.venue?.name || say("title");
  }

  async load() {
    const [{ days }, { scanners }] = await Promise.all([this.ask("GET", "/stats"), this.ask("GET", "/scanners")]);
    Object.assign(this, { days, scanners });
    this.draw();
    this.show("desk");
  }

  /** Everything that was loaded, in the language of now. */
  draw() {
    if (!this.venue) return;
    const now = Date.now() / 1000;
    const day = this.calendar.day(now);
    const current = Math.min(24, Math.floor((now - this.calendar.start(day)) / 3600));
    const none = { total: 0, hours: Array(25).fill(0) };
    const today = this.days.find((item) => item.day === Calendar.date(day)) ?? none;
    $("total").textContent = today.total.toLocaleString(document.documentElement.lang);
    drawBars(today.hours, current);
    const capacity = this.venue.capacity ?? 0;
    if (document.activeElement !== $("capacity")) $("capacity").value = capacity || "";
    fillRoom(today.hours[current] + (today.hours[current - 1] ?? 0), capacity);
    fillDays(this.days);
    $("no-scanners").hidden = this.scanners.length > 0;
    $("scanner-list").replaceChildren(...this.scanners.map((item) => this.#card(item)));
  }

  #card({ scanner_id: id, label, revoked }) {
    const card = document.createElement("li");
    const name = document.createElement("strong");
    const state = document.createElement("span");
    name.textContent = label;
    state.textContent = say(revoked ? "revoked" : "working");
    state.className = revoked ? "bad" : "good";
    card.append(name, state);
    if (!revoked) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "danger";
      button.textContent = say("revoke");
      button.setAttribute("aria-label", say("revoke_label", { label }));
      button.addEventListener("click", () => guarded(() => this.#revoke(id)));
      card.append(button);
    }
    return card;
  }

  async #revoke(id) {
    await this.ask("DELETE", `/scanners/${id}`);
    await this.load();
  }

  /** A new scanner and its code, which is shown this once. */
  async add(label) {
    const device = await this.ask("POST", "/scanners", { label });
    const text = writeEnrolment({ venue_id: this.venue.venue_id, ...device, label });
    drawCode($("device-code"), text, say("device_code"));
    $("device-text").value = text;
    $("device").showModal();
    await this.load();
  }

  /** Every hour of every day that is held. */
  export() {
    const head = [say("venue"), say("day"), say("hour"), say("check_ins")];
    const name = this.venue.name ?? this.venue.venue_id;
    const rows = this.days.flatMap(({ day, hours }) => hours.map((count, hour) => [name, day, hour, count]));
    save(`check-ins-${this.venue.venue_id}.csv`, table([head, ...rows]));
  }
}

/** Runs `work`; its refusal is told at the top of the page. */
async function guarded(work) {
  $("problem").hidden = true;
  try {
    await work();
  } catch (error) {
    $("problem").textContent = sayError(error.code ?? "other");
    $("problem").hidden = false;
    $("problem").scrollIntoView({ block: "center" });
  }
}

const onSubmit = (id, work) =>
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    guarded(work);
  });

async function start() {
  await loadMessages("operator");
  wireLanguageButtons();
  const desk = new Desk();
  onSubmit("sign-in", async () => {
    const venue = { venue_id: $("venue-id").value.trim(), operator_token: $("operator-token").value.trim() };
    desk.venue = venue;
    await desk.load();
    desk.keep(venue);
    $("sign-in").reset();
  });
  onSubmit("new-venue", async () => {
    const [name, capacity] = [$("new-name").value.trim(), Number($("new-capacity").value) || null];
    const body = { name, category: $("new-category").value.trim(), capacity };
    const venue = await request("POST", "/v1/venues", { token: $("secret").value.trim(), body });
    desk.keep({ ...venue, name, capacity });
    $("new-venue").reset();
    $("keep-id").textContent = venue.venue_id;
    $("keep-token").textContent = venue.operator_token;
    desk.show("keep");
  });
  onSubmit("add-scanner", async () => {
    await desk.add($("label").value.trim());
    $("add-scanner").reset();
  });
  onSubmit("rule", async () => {
    const chosen = [...document.querySelectorAll("[name=status]:checked")].map((box) => Number(box.value));
    await desk.ask("PUT", "/status-rule", { accepted: chosen });
    $("rule-result").textContent = say("rule_saved");
  });
  $("kept").addEventListener("click", () => {
    $("keep-token").textContent = "";
    guarded(() => desk.load());
  });
  $("capacity").addEventListener("change", () => {
    desk.keep({ ...desk.venue, capacity: Number($("capacity").value) || null });
    desk.draw();
  });
  $("refresh").addEventListener("click", () => guarded(() => desk.load()));
  $("export").addEventListener("click", () => desk.export());
  $("device").addEventListener("close", () => {
    $("device-code").replaceChildren();
    $("device-text").value = "";
  });
  $("sign-out").addEventListener("click", () => {
    desk.keep(null);
    desk.show("enter");
  });
  onLanguage(() => {
    desk.draw();
    if (desk.venue?.name) $("venue-name").textContent = desk.venue.name;
  });
  setInterval(() => desk.venue && !$("desk").hidden && desk.load().catch(() => {}), REFRESH_MS);
  desk.show("enter");
  if (desk.venue) await guarded(() => desk.load());
}

await start();
document.body.dataset.started = "true";
