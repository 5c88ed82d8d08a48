/** What it means that a sale stands still: who stopped it, what one keeps, when it goes on. */

/** What every pause has in common. */
const KEPT = 'Nobody moves, you keep your place, and all clocks stand still.';
const GOES_ON = 'This page goes on by itself.';

/** @type {Record<string, string>} */
const INCIDENTS = {
  stripe: 'Paused automatically: the payment service does not answer reliably right now, and nobody should be let in who could not pay.',
  postgres: 'Paused automatically: a part of our system does not answer right now, and nobody’s tickets should be put at risk.',
};
const INCIDENT = 'Paused automatically because of a technical problem.';
const ORGANIZER = 'Paused by the organizer.';

/**
 * A pause in words; empty when there is none.
 * @param {{by: 'organizer' | 'incident', what?: string | null} | null | undefined} pause
 * @param {string} [saleState] an older gateway says only this
 */
export function pauseInWords(pause, saleState) {
  if (!pause && saleState !== 'paused') return '';
  const why = pause?.by === 'incident' ? INCIDENTS[pause.what ?? ''] ?? INCIDENT : ORGANIZER;
  return `${why} ${KEPT} ${GOES_ON}`;
}

/**
 * Whether clocks stand still.
 * @param {{pause?: unknown, sale_state?: string} | null | undefined} position
 */
export const standsStill = (position) => Boolean(position?.pause) || position?.sale_state === 'paused';
