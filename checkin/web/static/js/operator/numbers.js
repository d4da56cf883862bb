// A room that fills up, and all days that are held.

import { Calendar } from "../calendar.js";
import { say } from "../messages.js";
import { cell } from "./bars.js";
import { hourText } from "./hours.js";

const FLOOR = 96; // the room's floor and roof in its picture
const HEIGHT = 84;
const $ = (id) => document.getElementById(id);

/** How many came in this hour and the last, against the capacity (0 for unknown). */
export function fillRoom(count, capacity) {
  const height = capacity ? Math.min(1, count / capacity) * HEIGHT : 0;
  const over = capacity > 0 && count > capacity;
  $("room-fill").setAttribute("height", height);
  $("room-fill").setAttribute("y", FLOOR - height);
  $("room-fill").setAttribute("class", over ? "over" : "");
  $("room-share").textContent = capacity ? `${over ? "! " : ""}${Math.round((100 * count) / capacity)} %` : "–";
  const text = over ? "room_over" : "room_text";
  $("room-text").textContent = say(capacity ? text : "room_unknown", { count, capacity });
  $("room").setAttribute("aria-label", $("room-text").textContent);
}

/** A row a day: date, total, busiest hour. */
export function fillDays(days, calendar) {
  const rows = [...days].reverse().map(({ day, total, hours }) => {
    const row = document.createElement("tr");
    const busiest = hours.indexOf(Math.max(...hours));
    const label = calendar.hourLabels(Calendar.parseDate(day))[busiest];
    const most = say("hour_count", { hour: hourText(label), count: hours[busiest] });
    row.append(cell("th", day, false, "row"), cell("td", total, true), cell("td", most));
    return row;
  });
  $("days").replaceChildren(...rows);
}
