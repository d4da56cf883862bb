// Every hour of every day that is held, for a spreadsheet: a column for all gates, and one for each.

import { Calendar } from "../calendar.js";
import { say } from "../messages.js";

/** Rows of cells; an hour is what clocks showed when it began. What came through which gate is empty for days of which that is not kept any more. */
export function exportRows(venue, days, scanners, calendar) {
  const gates = scanners.filter(({ scanner_id: id }) => days.some((day) => find(day, id)));
  const head = [say("venue"), say("day"), say("hour"), say("check_ins"), ...gates.map(titleAmong(gates))];
  const rows = days.flatMap((day) => {
    const labels = calendar.hourLabels(Calendar.parseDate(day.day));
    const gatesOf = (hour) => gates.map((gate) => counted(day, gate, hour));
    return day.hours.map((count, hour) => [venue, day.day, labels[hour], count, ...gatesOf(hour)]);
  });
  return [head, ...rows];
}

const find = (day, id) => day.gates.find((gate) => gate.scanner_id === id);

function counted(day, { scanner_id: id }, hour) {
  if (!day.gates.length) return "";
  return find(day, id)?.hours[hour] ?? 0;
}

/** Two gates may have one name; then their numbers tell them apart. */
const titleAmong = (gates) => ({ scanner_id: id, label }) =>
  gates.filter((gate) => gate.label === label).length > 1 ? `${label} (${id})` : label;
