// Service days of a time zone; the same answers as checkin/clock.py. Times are unix seconds.

export const RETENTION_DAYS = 28;
const DAY_SECONDS = 86400;

export class Calendar {
  /** @param {string} zone as in the time zone database */
  constructor(zone) {
    this.zone = zone;
    this.format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  }

  /** The service day that `now` lies in: days since 1970-01-01. */
  day(now) {
    return Math.floor((Math.floor(now) + this.#offset(Math.floor(now))) / DAY_SECONDS);
  }

  /** The first second of the day. A zone may skip midnight, or live through it twice: the first that exists. */
  start(day) {
    const midnight = day * DAY_SECONDS;
    const offsets = [-DAY_SECONDS, 0, DAY_SECONDS].map((shift) => this.#offset(midnight + shift));
    return Math.min(...offsets.map((offset) => midnight - offset).filter((start) => this.day(start) >= day));
  }

  /** What clocks show when each of the day's 25 hours begins: `15`; `2A` and `2B` where they show 2 twice (checkin/clock.py). */
  hourLabels(day) {
    const [begin, end] = [this.start(day), this.start(day + 1)];
    const labels = Array.from({ length: 25 }, (_, place) => this.#label(begin + 3600 * place, end));
    const before = (label, place) => labels.slice(0, place).filter((other) => other === label).length;
    const twice = (label) => before(label, labels.length) > 1;
    return labels.map((label, place) => (twice(label) ? label + "AB"[before(label, place)] : label));
  }

  /** `2026-11-20`. */
  static date(day) {
    return new Date(day * DAY_SECONDS * 1000).toISOString().slice(0, 10);
  }

  /** Inverse of date; TypeError for any other spelling. */
  static parseDate(text) {
    const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) / (DAY_SECONDS * 1000) : NaN;
    if (!Number.isInteger(day) || Calendar.date(day) !== text) throw new TypeError("a date is written YYYY-MM-DD");
    return day;
  }

  #label(instant, end) {
    if (instant >= end) return String(24 + Math.floor((instant - end) / 3600));
    const minutes = Math.floor((instant + this.#offset(instant)) / 60) % 1440;
    const [hour, minute] = [Math.floor(minutes / 60), minutes % 60];
    return minute ? `${hour}:${String(minute).padStart(2, "0")}` : String(hour);
  }

  #offset(instant) {
    const parts = Object.fromEntries(this.format.formatToParts(instant * 1000).map(({ type, value }) => [type, value]));
    const { year, month, day, hour, minute, second } = parts;
    return Date.UTC(+year, month - 1, +day, +hour, +minute, +second) / 1000 - instant;
  }
}
