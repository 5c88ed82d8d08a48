/**
 * A write that happens once, however often it is sent.
 *
 * Its key and body are remembered before it goes out and forgotten when its answer is certain. A lost connection, a
 * reload or a crash in between sends the same key and body again, and the server answers what it answered before.
 */

import { Problem } from './api.js';
import { patiently } from './patience.js';

/**
 * Sends a write, under the key of the earlier attempt when it is the same write.
 * @param {import('./journey.js').Journey} journey
 * @param {'hold' | 'order'} to
 * @param {unknown} body
 * @param {(key: string) => Promise<any>} send
 * @param {(problem: Problem) => void} waiting told before each repetition
 */
export async function attempt(journey, to, body, send, waiting) {
  const earlier = journey.steps.attempt;
  const same = earlier?.to === to && JSON.stringify(earlier.body) === JSON.stringify(body);
  const key = same ? earlier.key : crypto.randomUUID();
  journey.remember({ attempt: { to, key, body } });
  try {
    const answer = await patiently(() => send(key), waiting);
    journey.forget('attempt');
    return answer;
  } catch (failure) {
    if (!(failure instanceof Problem && failure.isUncertain)) journey.forget('attempt');
    throw failure;
  }
}
