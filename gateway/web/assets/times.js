/** Times and durations as people read them. */

const MINUTE_S = 60;
const HOUR_S = 3_600;
/** Below this many seconds a minute is not worth naming. */
const MOMENT_S = 45;
/** From here on whole hours are precise enough. */
const HOURS_FROM_S = 2 * HOUR_S;

/**
 * What a countdown shows: `4:09`, `1:02:03`. Never below zero.
 * @param {number} ms
 */
export function clockFace(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / HOUR_S), Math.floor((seconds % HOUR_S) / MINUTE_S)];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % MINUTE_S)}` : `${minutes}:${two(seconds % MINUTE_S)}`;
}

/**
 * How long a wait may be, as a range of whole minutes or hours; rounded up, so that it is rather too long than too short.
 * @param {{p50: number, p90: number} | null | undefined} eta seconds
 */
export function waitInWords(eta) {
  if (!eta) return '';
  const [low, high] = [Math.min(eta.p50, eta.p90), Math.max(eta.p50, eta.p90)];
  if (high <= MOMENT_S) return 'less than a minute';
  const [unit, unitS] = high >= HOURS_FROM_S ? ['hour', HOUR_S] : ['minute', MINUTE_S];
  const [from, to] = [Math.max(1, Math.ceil(low / unitS)), Math.ceil(high / unitS)];
  return from === to ? `about ${to} ${unit}${to === 1 ? '' : 's'}` : `about ${from} to ${to} ${unit}s`;
}

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
