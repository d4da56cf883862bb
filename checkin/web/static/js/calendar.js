// Service days of a time zone; the same answers as checkin/clock.py. Times are unix seconds.

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

  #offset(instant) {
    const parts = Object.fromEntries(this.format.formatToParts(instant * 1000).map(({ type, value }) => [type, value]));
    const { year, month, day, hour, minute, second } = parts;
    return Date.UTC(+year, month - 1, +day, +hour, +minute, +second) / 1000 - instant;
  }
}
