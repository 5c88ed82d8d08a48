/** Times and durations as people read them. */

const MINUTE_S = 60;
const HOUR_S = 3_600;
const DAY_S = 24 * HOUR_S;
/** Up to so many seconds, waits are rounded to so many: finer would only twitch. */
const STEPS_S = [[20 * MINUTE_S, MINUTE_S], [90 * MINUTE_S, 5 * MINUTE_S], [Infinity, HOUR_S / 2]];

/**
 * What a countdown shows: `3 days`, `1:02:03`, `4:09`. Never below zero.
 * @param {number} ms
 */
export function clockFace(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds >= 2 * DAY_S) return `${Math.floor(seconds / DAY_S)} days`;
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / HOUR_S), Math.floor((seconds % HOUR_S) / MINUTE_S)];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % MINUTE_S)}` : `${minutes}:${two(seconds % MINUTE_S)}`;
}

/**
 * A duration for ears rather than eyes: `2 minutes`, `1 minute 30 seconds`.
 * @param {number} ms
 */
export function spanInWords(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const counted = (/** @type {number} */ n, /** @type {string} */ unit) => (n === 0 ? '' : `${n} ${unit}${n === 1 ? '' : 's'}`);
  const parts = [counted(Math.floor(seconds / MINUTE_S), 'minute'), counted(seconds % MINUTE_S, 'second')];
  return parts.filter(Boolean).join(' ') || '0 seconds';
}

/**
 * How long a wait may be: `8 to 12 minutes`. The range is rounded outward, so that what was said stays true.
 * @param {{p10?: number, p50: number, p90: number} | null | undefined} eta seconds
 */
export function waitInWords(eta) {
  if (!eta) return '';
  const step = STEPS_S.find(([most]) => eta.p90 <= most)?.[1] ?? MINUTE_S;
  const [from, to] = [Math.floor((eta.p10 ?? eta.p50) / step) * step, Math.ceil(eta.p90 / step) * step];
  if (to <= MINUTE_S) return 'less than a minute';
  const unit = step < HOUR_S / 2 ? MINUTE_S : HOUR_S;
  const name = unit === MINUTE_S ? 'minutes' : 'hours';
  if (from === 0) return `up to ${halves(to / unit)} ${name}`;
  return from === to ? `about ${halves(to / unit)} ${to === unit ? name.slice(0, -1) : name}` : `${halves(from / unit)} to ${halves(to / unit)} ${name}`;
}

/** A number of whole and half things. @param {number} n */
const halves = (n) => (Number.isInteger(n) ? String(n) : `${Math.floor(n) || ''}½`);

/**
 * A moment, read in the zone of the sale, which is named.
 * @param {string} time RFC 3339
 * @param {string} [timeZone] IANA; the reader's when missing
 */
export function momentInWords(time, timeZone) {
  return new Intl.DateTimeFormat(undefined, {
    weekday: 'short', year: 'numeric', month: 'short', day: 'numeric',
    hour: '2-digit', minute: '2-digit', timeZoneName: 'short', timeZone,
  }).format(new Date(time));
}

/**
 * A moment not long ago, read where the reader is: the time of day, and the day unless it is today.
 * @param {string} time RFC 3339
 * @param {number} [now] Unix milliseconds
 * @param {string} [language] the browser's by default
 */
export function lately(time, now = Date.now(), language = undefined) {
  const then = new Date(time);
  const isToday = then.toDateString() === new Date(now).toDateString();
  /** @type {Intl.DateTimeFormatOptions} */
  const day = isToday ? {} : { day: 'numeric', month: 'short' };
  return new Intl.DateTimeFormat(language, { ...day, hour: '2-digit', minute: '2-digit' }).format(then);
}
