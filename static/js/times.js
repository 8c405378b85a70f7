// Times as they are shown, in the visitor's own zone.

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'long', timeStyle: 'medium' });
const clockTime = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** m/d/yyyy, without zeros in front. @param {Date} date */
export function shortDate(date) {
  return `${date.getMonth() + 1}/${date.getDate()}/${date.getFullYear()}`;
}

/** @param {Date} date */
export function exactTime(date) {
  return exact.format(date);
}

/** @param {Date} date */
export function timeOfDay(date) {
  return clockTime.format(date);
}

/**
 * How long ago, in a word, for the first week; after it the date says enough.
 * @param {Date} date
 * @param {number} now in milliseconds; a clock that goes wrong makes nothing "in the future"
 */
export function timeAgo(date, now) {
  const ms = Math.max(0, now - date.getTime());
  if (ms < MINUTE) return 'now';
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h`;
  if (ms < 7 * DAY) return `${Math.floor(ms / DAY)} d`;
  return '';
}

/** What is left of a wait, in whole seconds. @param {number} ms */
export function seconds(ms) {
  return `${Math.max(0, Math.ceil(ms / 1000))} s`;
}
