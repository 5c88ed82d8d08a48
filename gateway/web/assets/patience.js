/**
 * Waiting and asking again.
 *
 * Delays have full jitter, `random(0, min(30 s, 0.5 s · 2ⁿ))`, so that a hundred thousand pages that lost their server at
 * the same moment do not come back at the same moment. What the server asks for (`Retry-After`, `after_ms`) wins.
 */

import { Problem } from './api.js';

const FIRST_DELAY_MAX_MS = 500;
const DELAY_MAX_MS = 30_000;
/** Doublings after which the delay no longer grows. */
const DOUBLINGS_MAX = 6;
/** How much a delay the server asked for is stretched at random. */
const ADVICE_JITTER = 0.25;
/** How often a call is sent before the person is asked. */
const ATTEMPTS_MAX = 5;

/**
 * How long to wait before trying again.
 * @param {number} failures how many there were in a row
 * @param {number} [advisedMs] what the server asked for, 0 when it said nothing
 * @param {() => number} [random]
 */
export function delayMs(failures, advisedMs = 0, random = Math.random) {
  if (advisedMs > 0) return advisedMs * (1 + ADVICE_JITTER * random());
  return random() * Math.min(DELAY_MAX_MS, FIRST_DELAY_MAX_MS * 2 ** Math.min(failures, DOUBLINGS_MAX));
}

/** @param {number} ms */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Repeats a call that is safe to repeat while the refusal is a passing one.
 * @template T
 * @param {() => Promise<T>} call
 * @param {(problem: Problem) => void} [waiting] told before each wait
 * @param {number} [attemptsMax]
 * @returns {Promise<T>}
 */
export async function patiently(call, waiting = () => {}, attemptsMax = ATTEMPTS_MAX) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (failure) {
      if (!(failure instanceof Problem) || !failure.isPassing || attempt === attemptsMax) throw failure;
      waiting(failure);
      await pause(delayMs(attempt, failure.retryAfterMs));
    }
  }
}

/**
 * Repeats a call without which the page has nothing to show, for as long as the page is open.
 * @template T
 * @param {() => Promise<T>} call
 * @param {(problem: Problem) => void} waiting told before each wait
 */
export const untilAnswered = (call, waiting) => patiently(call, waiting, Infinity);
