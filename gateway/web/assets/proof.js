/**
 * Solving a proof of work beside the page, so that nothing on it stands still.
 *
 * Luck decides how long it takes: what is reported is the chance that it would have been found by now.
 */

import { Problem } from './api.js';

/** Aborted by the person, not by a failure. */
export class GivenUp extends Error {}

/** How likely it was to find one within so many tries. @param {number} tried @param {number} bits */
export const chanceAfter = (tried, bits) => 1 - Math.exp(-tried / 2 ** bits);

/**
 * The nonce that solves a challenge.
 * @param {{challenge: string, bits: number}} challenge
 * @param {{progress: (chance: number) => void, signal: AbortSignal}} heard
 * @returns {Promise<string>} rejected with {@link GivenUp} when the signal came first, with a Problem where it cannot be computed
 */
export function proofOf({ challenge, bits }, { progress, signal }) {
  const worker = new Worker(new URL('prover.js', import.meta.url), { type: 'module' });
  const found = new Promise((resolve, reject) => {
    worker.addEventListener('message', ({ data }) => {
      if (data.nonce !== undefined) resolve(data.nonce);
      else progress(chanceAfter(data.tried, bits));
    });
    worker.addEventListener('error', () => reject(new Problem({ code: 'proof_required' })));
    signal.addEventListener('abort', () => reject(new GivenUp()));
  });
  worker.postMessage({ challenge, bits });
  return found.finally(() => worker.terminate());
}
