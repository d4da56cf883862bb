// The operator's page: today's numbers, scanners, the rule at the door, export. The token lives as long as the tab.

import { flag, listOf, nothing, number, object, optional, text } from "../answer.js";
import { request } from "../api.js";
import { Calendar } from "../calendar.js";
import { codeOf } from "../errors.js";
import { accept, refuse } from "../form.js";
import { currentLanguage, loadMessages, onLanguage, say, sayError, tell, wireLanguageButtons } from "../messages.js";
import { drawCode } from "../qrcode.js";
import { writeEnrolment } from "../scanner/enrol.js";
import { startPage } from "../start.js";
import { drawHours } from "./bars.js";
import { save, table } from "./csv.js";
import { exportRows } from "./export.js";
import { lastHours, partsOf } from "./hours.js";
import { fillDays, fillRoom } from "./numbers.js";
import { costOf, listScanners } from "./scanners.js";

const REFRESH_MS = 60_000;
// What the registry answers, as its /openapi.json says it.
const HOURS = listOf(number);
const GATE = object({ scanner_id: text, label: text, hours: HOURS });
const DAY = object({ day: text, total: number, hours: HOURS, gates: listOf(GATE) });
const SCANNER = object({ scanner_id: text, label: text, revoked: flag, last_seen: optional(text), waiting: optional(number) });
const ANSWERS = {
  venue: object({ name: text, capacity: optional(number), status_rule: listOf(number) }),
  stats: object({ days: listOf(DAY) }),
  scanners: object({ scanners: listOf(SCANNER) }),
  device: object({ scanner_id: text, scanner_token: text }),
  rule: object({ accepted: listOf(number) }),
  capacity: object({ capacity: optional(number) }),
  enrolled: object({ venue_id: text, operator_token: text }),
  renewed: object({ operator_token: text }),
};
const REASONS = ["replaced", "stolen"];
const VIEWS = ["enter", "keep", "desk"];
const $ = (id) => document.getElementById(id);
const clock = () => Date.now() / 1000;
const boxes = () => [...document.querySelectorAll("[name=status]")];

class Desk {
  constructor() {
    const stored = sessionStorage.getItem("venue");
    this.keys = stored ? JSON.parse(stored) : null;
    this.calendar = new Calendar(document.body.dataset.zone);
    this.#empty();
  }

  #empty() {
    Object.assign(this, { venue: null, days: [], scanners: [], asOf: 0, rule: null });
  }

  ask(method, path, answer, body) {
    const options = { token: this.keys.operator_token, body, answer };
    return request(method, `/v1/venues/${this.keys.venue_id}${path}`, options);
  }

  keep(keys) {
    this.keys = keys;
    if (keys) sessionStorage.setItem("venue", JSON.stringify(keys));
    else sessionStorage.removeItem("venue");
    if (!keys) this.#empty();
  }

  show(view) {
    for (const id of VIEWS) $(id).hidden = id !== view;
    $("venue-name").textContent = this.venue?.name ?? say("title");
  }

  async load() {
    const asked = ["venue", "stats", "scanners"].map((name) =>
      this.ask("GET", name === "venue" ? "" : `/${name}`, ANSWERS[name]),
    );
    const [venue, { days }, { scanners }] = await Promise.all(asked);
    Object.assign(this, { venue, days, scanners, asOf: clock() });
    this.show("desk"); // first, because a bar's size is that of the place it is drawn in
    this.draw();
  }

  /** Everything that was loaded, in the language of now. */
  draw() {
    if (!this.venue) return;
    const now = clock();
    const today = this.days.find((item) => item.day === Calendar.date(this.calendar.day(now)));
    $("venue-name").textContent = this.venue.name;
    $("total").textContent = say("today_total", { count: (today?.total ?? 0).toLocaleString(currentLanguage()) });
    const time = new Intl.DateTimeFormat(currentLanguage(), { timeStyle: "short", timeZone: this.calendar.zone });
    $("as-of").textContent = say("as_of", { time: time.format(this.asOf * 1000) });
    this.#drawHours(now);
    fillDays(this.days, this.calendar);
    listScanners(this.scanners, now, (scanner) => this.#askRevoke(scanner));
    this.#drawRule();
  }

  #drawHours(now) {
    const hours = lastHours(this.days, this.calendar, now);
    drawHours(hours, partsOf(hours, this.scanners));
    const capacity = this.venue.capacity ?? 0;
    if (document.activeElement !== $("capacity")) $("capacity").value = capacity || "";
    fillRoom(hours.at(-1).total + hours.at(-2).total, capacity);
  }

  /** The rule as it stands; what somebody has just ticked stays until it is set, or the rule itself changes. */
  #drawRule() {
    const rule = this.venue.status_rule;
    const names = rule.map((status) => say(`status_${status}`));
    const list = new Intl.ListFormat(currentLanguage(), { type: "disjunction" }).format(names);
    $("rule-now").textContent = names.length ? say("rule_now", { list }) : say("rule_none");
    if (String(rule) === this.rule) return;
    this.rule = String(rule);
    for (const box of boxes()) box.checked = rule.includes(Number(box.value));
  }

  #askRevoke(scanner) {
    this.leaving = scanner;
    $("sure-title").textContent = say("revoke_sure", { label: scanner.label });
    $("sure-cost").textContent = costOf(scanner, clock());
    $("sure").returnValue = "";
    $("sure").showModal();
  }

  /** `reason`: "replaced", and what waits in it may still be uploaded; or "stolen". */
  async revoke(reason) {
    await this.ask("DELETE", `/scanners/${this.leaving.scanner_id}?reason=${reason}`, nothing);
    await this.load();
    $("scanners-title").focus();
  }

  /** A new scanner and its code, which is shown this once. */
  async add(label) {
    const device = await this.ask("POST", "/scanners", ANSWERS.device, { label });
    const text = writeEnrolment({ venue_id: this.keys.venue_id, ...device, label });
    drawCode($("device-code"), text, say("device_code"));
    $("device-text").value = text;
    $("door-address").textContent = new URL("/scanner", location.href).href;
    $("device").showModal();
    await this.load();
  }

  async setRule() {
    const accepted = boxes().filter((box) => box.checked).map((box) => Number(box.value));
    this.venue.status_rule = (await this.ask("PUT", "/status-rule", ANSWERS.rule, { accepted })).accepted;
    this.draw();
    tell($("rule-result"), () => say("rule_saved"));
  }

  async setCapacity() {
    if (!$("capacity").reportValidity()) return;
    const { capacity } = await this.ask("PUT", "/capacity", ANSWERS.capacity, { capacity: Number($("capacity").value) || null });
    this.venue.capacity = capacity;
    this.draw();
  }

  export() {
    save(`check-ins-${this.keys.venue_id}.csv`, table(exportRows(this.venue.name, this.days, this.scanners, this.calendar)));
  }
}

const SECRETS = ["secret", "known-secret"]; // a wrong enrolment secret is nobody's token, and the secret is to be named

/** Runs `work`; its refusal is told beside the field of a form, else at the top of the page. */
async function guarded(work, field = null) {
  const problem = $("problem");
  accept(document, problem);
  try {
    await work();
  } catch (error) {
    const code = SECRETS.includes(field?.id) && codeOf(error) === "unauthorized" ? "forbidden" : codeOf(error);
    if (field) {
      refuse(field, problem, () => sayError(code), { fault: code !== "unreachable" });
      return;
    }
    $("content").prepend(problem);
    tell(problem, () => sayError(code));
    problem.hidden = false;
    problem.scrollIntoView({ block: "center" });
  }
}

/** `last`: the field that most refusals are about. */
const onSubmit = (id, last, work) =>
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    guarded(() => work(event), $(last));
  });

/** Signing in, enrolling, and the way out. */
function wireEntrance(desk) {
  onSubmit("sign-in", "operator-token", async () => {
    const keys = { venue_id: $("venue-id").value.trim(), operator_token: $("operator-token").value.trim() };
    desk.keys = keys;
    await desk.load();
    desk.keep(keys);
    $("sign-in").reset();
  });
  onSubmit("new-venue", "secret", async () => {
    const [name, capacity] = [$("new-name").value.trim(), Number($("new-capacity").value) || null];
    const body = { name, category: $("new-category").value.trim(), capacity };
    const options = { token: $("secret").value.trim(), body, answer: ANSWERS.enrolled };
    desk.keep(await request("POST", "/v1/venues", options));
    $("new-venue").reset();
    showKeys(desk);
  });
  onSubmit("known-venue", "known-secret", async ({ submitter }) => {
    if (submitter?.value === "close") $("close-sure").showModal();
    else await renew(desk);
  });
  $("close-sure").addEventListener("close", () => {
    if ($("close-sure").returnValue === "yes") guarded(closeVenue, $("known-secret"));
  });
  $("copy-token").addEventListener("click", async () => {
    const copied = await navigator.clipboard?.writeText($("keep-token").textContent).then(() => true, () => false);
    tell($("copied"), () => say(copied ? "copied" : "copy_refused"));
  });
  $("kept").addEventListener("click", () => {
    $("keep-token").textContent = "";
    tell($("copied"), () => "");
    guarded(() => desk.load());
  });
  $("sign-out").addEventListener("click", () => {
    desk.keep(null);
    desk.show("enter");
  });
}

function showKeys(desk) {
  $("keep-id").textContent = desk.keys.venue_id;
  $("keep-token").textContent = desk.keys.operator_token;
  desk.show("keep");
}

const known = () => `/v1/venues/${encodeURIComponent($("known-id").value.trim())}`;

/** Another token for a venue whose own is lost; it is shown as the first one was. */
async function renew(desk) {
  const options = { token: $("known-secret").value.trim(), answer: ANSWERS.renewed };
  const { operator_token: token } = await request("POST", `${known()}/operator-token`, options);
  desk.keep({ venue_id: $("known-id").value.trim(), operator_token: token });
  $("known-venue").reset();
  showKeys(desk);
}

async function closeVenue() {
  await request("DELETE", known(), { token: $("known-secret").value.trim(), answer: nothing });
  $("known-venue").reset();
  tell($("known-result"), () => say("venue_closed"));
}

/** What can be done at the desk. */
function wireDesk(desk) {
  onSubmit("add-scanner", "label", async () => {
    await desk.add($("label").value.trim());
    $("add-scanner").reset();
  });
  onSubmit("rule", "rule-save", () => desk.setRule());
  $("rule").addEventListener("change", () => tell($("rule-result"), () => ""));
  $("capacity").addEventListener("change", () => guarded(() => desk.setCapacity()));
  $("refresh").addEventListener("click", () => guarded(() => desk.load()));
  $("export").addEventListener("click", () => desk.export());
  $("sure").addEventListener("close", () => REASONS.includes($("sure").returnValue) && guarded(() => desk.revoke($("sure").returnValue)));
  $("device").addEventListener("close", () => {
    $("device-code").replaceChildren();
    $("device-text").value = "";
  });
  let width = 0;
  new ResizeObserver(() => {
    if ($("bars").clientWidth !== width && !$("desk").hidden) desk.draw();
    width = $("bars").clientWidth;
  }).observe($("bars"));
}

async function start() {
  await loadMessages("operator");
  wireLanguageButtons();
  const desk = new Desk();
  wireEntrance(desk);
  wireDesk(desk);
  onLanguage(() => desk.draw());
  // A round that fails leaves the old numbers, and the time that they are of.
  setInterval(() => desk.keys && !$("desk").hidden && desk.load().catch(() => desk.draw()), REFRESH_MS);
  desk.show("enter");
  if (desk.keys) await guarded(() => desk.load());
}

await startPage(start);
