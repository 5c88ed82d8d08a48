/**
 * The phases of a sale as a visitor meets them: which doors are open now, whether they ask for a code, what comes next.
 *
 * @typedef {{prequeue_opens_at: string | null, opens_at: string, closes_at?: string | null, access: 'public' | 'code'}} Phase
 * @typedef {{code: 'no' | 'optional' | 'required', next: {at: string, what: 'registration' | 'draw' | 'opening'} | null}} Doors
 */

/** @param {string | null | undefined} time */
const ms = (time) => Date.parse(time ?? '');

/** The phases, or the one that a sale without any is. @param {any} sale @returns {Phase[]} */
const phasesOf = (sale) => sale.phases ?? [{ prequeue_opens_at: null, opens_at: sale.opens_at, closes_at: sale.closes_at, access: 'public' }];

/**
 * The doors at a time.
 * @param {any} sale
 * @param {number} now Unix milliseconds
 * @returns {Doors}
 */
export function doorsOf(sale, now) {
  const phases = phasesOf(sale);
  const isOpen = (/** @type {Phase} */ phase) => ms(phase.opens_at) <= now && !(ms(phase.closes_at) <= now);
  const isCollecting = (/** @type {Phase} */ phase) => ms(phase.prequeue_opens_at) <= now && now < ms(phase.opens_at);
  const doors = [...phases.filter(isOpen), ...phases.filter(isCollecting)];
  const coded = doors.filter(({ access }) => access === 'code').length;
  const code = coded === 0 ? 'no' : coded === doors.length ? 'required' : 'optional';
  return { code, next: phases.some(isOpen) ? null : nextOf(phases, now) };
}

/** The moment that a visitor waits for. @param {Phase[]} phases @param {number} now @returns {Doors['next']} */
function nextOf(phases, now) {
  const phase = phases.find(({ opens_at: opensAt }) => now < ms(opensAt));
  if (!phase) return null;
  if (phase.prequeue_opens_at === null) return { at: phase.opens_at, what: 'opening' };
  if (now < ms(phase.prequeue_opens_at)) return { at: phase.prequeue_opens_at, what: 'registration' };
  return { at: phase.opens_at, what: 'draw' };
}
