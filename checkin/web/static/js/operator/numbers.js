// Today at a glance: bars by hour, and a room that fills up.

import { say } from "../messages.js";

const SVG = "http://www.w3.org/2000/svg";
const HOURS = 24;
const GAP = 0.18;
const FLOOR = 96; // the room's floor and roof in its picture
const HEIGHT = 84;
const $ = (id) => document.getElementById(id);

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** One bar an hour, the current one marked; the same in words for who does not see them. */
export function drawBars(hours, current) {
  const svg = $("bars");
  const most = Math.max(...hours, 1);
  const bars = [];
  for (let hour = 0; hour < HOURS; hour += 1) {
    const height = (hours[hour] / most) * 100;
    const bar = { x: hour + GAP / 2, y: 100 - height, width: 1 - GAP, height };
    bars.push(shape("rect", { ...bar, class: hour === current ? "bar now" : "bar" }));
  }
  bars.push(shape("path", { d: `M0 100H${HOURS}`, class: "ground" }));
  svg.setAttribute("viewBox", `0 0 ${HOURS} 101`);
  svg.replaceChildren(...bars);
  const busy = hours.map((count, hour) => ({ count, hour })).filter(({ count }) => count > 0);
  const list = busy.map((item) => say("hour_count", item)).join(", ");
  svg.setAttribute("aria-label", say("bars_label", { list: list || say("nothing_yet") }));
}

/** How many came in this hour and the last, against the capacity (0 for unknown). */
export function fillRoom(count, capacity) {
  const height = capacity ? Math.min(1, count / capacity) * HEIGHT : 0;
  $("room-fill").setAttribute("height", height);
  $("room-fill").setAttribute("y", FLOOR - height);
  $("room-fill").setAttribute("class", capacity && count > capacity ? "over" : "");
  $("room-text").textContent = say(capacity ? "room_text" : "room_unknown", { count, capacity });
  $("room").setAttribute("aria-label", $("room-text").textContent);
}

/** A row a day: date, total, busiest hour. */
export function fillDays(days) {
  const rows = [...days].reverse().map(({ day, total, hours }) => {
    const row = document.createElement("tr");
    const busiest = hours.indexOf(Math.max(...hours));
    for (const [text, name] of [[day], [total, "number"], [say("hour_count", { hour: busiest, count: hours[busiest] })]]) {
      const data = document.createElement("td");
      data.textContent = text;
      if (name) data.className = name;
      row.append(data);
    }
    return row;
  });
  $("days").replaceChildren(...rows);
}
