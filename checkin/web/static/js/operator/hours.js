// The last hours, and which gates people came through. Nothing here draws.

import { Calendar } from "../calendar.js";
import { say } from "../messages.js";

const HOUR = 3600;
const LENGTH = 12;
const NAMED = 5; // gates that get a pattern of their own; the smallest of more are one

/** An hour of a day in words; `labels` are the day's of Calendar.hourLabels. Hours since midnight are no clock time. */
export const hourText = (label) => (label.includes(":") ? label : say("hour_name", { hour: label }));

/**
 * The last hours, oldest first, across midnight: `{start, label, total, gates}`, gates being scanner → how many.
 * @param {{day: string, hours: number[], gates: {scanner_id: string, hours: number[]}[]}[]} days as the registry has them
 */
export function lastHours(days, calendar, now) {
  const begun = calendar.start(calendar.day(now));
  const current = begun + Math.floor((now - begun) / HOUR) * HOUR;
  const known = days.map((item) => ({ ...item, begun: calendar.start(Calendar.parseDate(item.day)) }));
  const starts = Array.from({ length: LENGTH }, (_, place) => current - (LENGTH - 1 - place) * HOUR);
  return starts.map((start) => ({ label: labelOf(start, calendar), ...hourFrom(known, start) }));
}

function labelOf(start, calendar) {
  const day = calendar.day(start);
  return calendar.hourLabels(day)[Math.floor((start - calendar.start(day)) / HOUR)];
}

/** A day's 25th hour is the next one's first: a code lives for some seconds longer than its day. */
function hourFrom(known, start) {
  const hour = { start, total: 0, gates: new Map() };
  for (const { begun, hours, gates } of known) {
    const place = Math.floor((start - begun) / HOUR);
    hour.total += hours[place] ?? 0;
    for (const { scanner_id: id, hours: counted } of gates) {
      if (counted[place]) hour.gates.set(id, (hour.gates.get(id) ?? 0) + counted[place]);
    }
  }
  return hour;
}

/**
 * What the bars are made of, from the ground up: `{label, ids, count, kind}`. Kind is "gate", "others" for the smallest
 * of many, or "apart" for what no gate is known of yet.
 */
export function partsOf(hours, scanners) {
  const counted = scanners
    .map(({ scanner_id: id, label }) => ({ label, ids: [id], count: sum(hours, [id]), kind: "gate" }))
    .filter(({ count }) => count > 0);
  const bound = counted.length > NAMED + 1 ? counted.map(({ count }) => count).sort((a, b) => b - a)[NAMED - 1] : 0;
  const named = counted.filter(({ count }) => count >= bound).slice(0, NAMED + 1);
  const rest = counted.filter((part) => !named.includes(part)).flatMap(({ ids }) => ids);
  const total = hours.reduce((all, hour) => all + hour.total, 0);
  const apart = total - counted.reduce((all, { count }) => all + count, 0);
  const others = { label: "", ids: rest, count: sum(hours, rest), kind: "others" };
  return [...named, others, { label: "", ids: null, count: apart, kind: "apart" }].filter(({ count }) => count > 0);
}

/** How many of an hour belong to a part. */
export function share({ total, gates }, { ids }) {
  if (ids) return ids.reduce((all, id) => all + (gates.get(id) ?? 0), 0);
  return total - [...gates.values()].reduce((all, count) => all + count, 0);
}

const sum = (hours, ids) => hours.reduce((all, hour) => all + share(hour, { ids }), 0);
