/** Smoke whose summary cannot be written: k6 exits with 0 all the same, and the runner must not. */

export { default, options, setup, teardown } from '../scenarios/smoke.js';

export function handleSummary() {
  throw new Error('this summary fails on purpose');
}
