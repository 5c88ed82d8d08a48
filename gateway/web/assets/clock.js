/**
 * The server's clock, as well as this page knows it.
 *
 * Deadlines are absolute times of the server, and the clock of this device may be minutes off. Every answer's `Date`
 * (whole seconds) gives an offset; a time with milliseconds, from a socket frame, is better and from then on wins.
 */

/** `Date` drops the fraction of the second: on average half of one. */
const DATE_ROUNDING_MS = 500;
/** Below this, this device's clock is as good as a `Date`, and adjusting would only make countdowns jump. */
const AGREES_WITHIN_MS = 1_500;

let offsetMs = 0;
let isPrecise = false;

/** The server's time in Unix milliseconds. */
export function serverNow() {
  return Date.now() + offsetMs;
}

/**
 * How long until a time of the server; negative when it is past.
 * @param {string} time RFC 3339
 */
export function msUntil(time) {
  return Date.parse(time) - serverNow();
}

/**
 * Learns from the `Date` of an answer.
 * @param {string | null} date
 */
export function hearDate(date) {
  const sentAt = Date.parse(date ?? '');
  if (isPrecise || Number.isNaN(sentAt)) return;
  const offset = sentAt + DATE_ROUNDING_MS - Date.now();
  if (Math.abs(offset - offsetMs) > AGREES_WITHIN_MS) offsetMs = offset;
}

/**
 * Learns from a time with milliseconds.
 * @param {string | undefined} time RFC 3339
 */
export function hearTime(time) {
  const sentAt = Date.parse(time ?? '');
  if (Number.isNaN(sentAt)) return;
  offsetMs = sentAt - Date.now();
  isPrecise = true;
}
