/** What the pages' modules do without a page. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

const assets = new URL('../../../gateway/web/assets/', import.meta.url);
const load = (/** @type {string} */ name) => import(new URL(name, assets).href);

const { addressOf } = await load('address.js');
const { Announcer } = await load('announcer.js');
const { Problem } = await load('api.js');
const { attempt } = await load('attempt.js');
const { leftInWords, withAvailability } = await load('availability.js');
const { Journey } = await load('journey.js');
const { inWords } = await load('money.js');
const { delayMs } = await load('patience.js');
const { sentenceFor } = await load('problems.js');
const { clockFace, waitInWords } = await load('times.js');

test('an address says the slug and the order', () => {
  assert.deepEqual(addressOf('/s/arena-night'), { slug: 'arena-night', order: '' });
  assert.deepEqual(addressOf('/s/arena-night/checkout'), { slug: 'arena-night', order: '' });
  assert.deepEqual(addressOf('/s/arena%20night/orders/ord_1'), { slug: 'arena night', order: 'ord_1' });
});

test('money is counted as Stripe counts it', () => {
  const words = (/** @type {number} */ amount, /** @type {string} */ currency) => inWords({ amount, currency }, 'en').replace(/\s/g, ' ');
  assert.equal(words(4250, 'eur'), '€42.50');
  assert.equal(words(4250, 'jpy'), '¥4,250');
  assert.equal(words(4250, 'kwd'), 'KWD 4.250');
  assert.equal(words(4200, 'isk'), 'ISK 42.00');
});

test('a countdown shows whole seconds, rounded up, and never less than zero', () => {
  assert.equal(clockFace(61_001), '1:02');
  assert.equal(clockFace(3_723_000), '1:02:03');
  assert.equal(clockFace(-5), '0:00');
});

test('a wait is a range, and rather too long than too short', () => {
  assert.equal(waitInWords(null), '');
  assert.equal(waitInWords({ p50: 10, p90: 40 }), 'less than a minute');
  assert.equal(waitInWords({ p50: 20, p90: 61 }), 'about 1 to 2 minutes');
  assert.equal(waitInWords({ p50: 100, p90: 115 }), 'about 2 minutes');
  assert.equal(waitInWords({ p50: 3_700, p90: 9_000 }), 'about 2 to 3 hours');
});

test('delays grow to 30 s, have full jitter, and never fall short of what the server asked for', () => {
  const longest = [1, 2, 3, 20].map((failures) => delayMs(failures, 0, () => 1));
  assert.deepEqual(longest, [1_000, 2_000, 4_000, 30_000]);
  assert.equal(delayMs(20, 0, () => 0), 0);
  assert.equal(delayMs(20, 2_000, () => 0), 2_000);
  assert.equal(delayMs(1, 2_000, () => 1), 2_500);
});

test('what is left is said in words, and a number only when it is small', () => {
  assert.equal(leftInWords({ level: 'few', remaining: 7 }), 'Only 7 left');
  assert.equal(leftInWords({ level: 'few', remaining: 9_000 }), 'Few left');
  assert.equal(leftInWords({ level: 'none', remaining: 0 }), 'Sold out');
  assert.equal(leftInWords(null), '');
});

test('fresh availability replaces only what it names', () => {
  const tiers = [{ id: 'a', availability: { level: 'many', remaining: 9 } }, { id: 'b', availability: { level: 'few', remaining: 1 } }];
  const fresh = withAvailability(tiers, [{ tier: 'b', level: 'none', remaining: 0 }]);
  assert.deepEqual(fresh.map((/** @type {any} */ { availability }) => availability.level), ['many', 'none']);
});

test('a screen reader hears thresholds at once and everything else every 30 seconds', () => {
  let now = 0;
  const region = { textContent: '' };
  const announcer = new Announcer(region, () => now);
  const hears = (/** @type {number} */ ahead) => {
    region.textContent = '';
    announcer.ahead(ahead, `${ahead}`);
    return region.textContent;
  };
  assert.equal(hears(5_000), '5000');
  now += 1_000;
  assert.equal(hears(4_900), '', 'too soon');
  assert.equal(hears(990), '990', 'below 1,000');
  assert.equal(hears(980), '', 'too soon, no threshold');
  now += 30_000;
  assert.equal(hears(970), '970');
  now += 30_000;
  assert.equal(hears(970), '', 'nothing new');
  assert.equal(hears(0), '0');
});

test('every problem has a sentence, also one that is not known', () => {
  assert.match(sentenceFor(new Problem({ code: 'all_held', status: 409 })), /come back/);
  assert.match(sentenceFor(new Problem({ code: 'brand_new', status: 409 })), /try again/);
  assert.match(sentenceFor(new TypeError('x')), /try again/);
});

test('only an unknown outcome is uncertain', () => {
  const uncertain = (/** @type {any} */ facts) => new Problem(facts).isUncertain;
  assert.ok(uncertain({ code: 'network' }));
  assert.ok(uncertain({ code: 'store_unavailable', status: 503 }));
  assert.ok(uncertain({ code: 'request_in_progress', status: 409 }));
  assert.ok(!uncertain({ code: 'payment_declined', status: 402 }));
  assert.ok(!uncertain({ code: 'rate_limited', status: 429 }));
});

test('a write keeps its key until its answer is certain', async () => {
  const journey = new Journey('sale_attempt');
  /** @type {string[]} */
  const keys = [];
  const send = (/** @type {any} */ answer) => async (/** @type {string} */ key) => {
    keys.push(key);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const refused = new Problem({ code: 'all_held', status: 409 });
  await assert.rejects(attempt(journey, 'hold', { a: 1 }, send(refused), () => {}), refused);
  assert.equal(journey.steps.attempt, undefined, 'a certain refusal ends the attempt');

  journey.remember({ attempt: { to: 'hold', key: 'known', body: { a: 1 } } });
  assert.equal(await attempt(journey, 'hold', { a: 1 }, send('taken'), () => {}), 'taken');
  assert.equal(keys[1], 'known', 'the same write goes out under its earlier key');
  assert.equal(journey.steps.attempt, undefined);

  journey.remember({ attempt: { to: 'hold', key: 'known', body: { a: 1 } } });
  await attempt(journey, 'hold', { a: 2 }, send('taken'), () => {});
  assert.notEqual(keys[2], 'known', 'another write gets a key of its own');
});

test('a passing refusal is repeated under the same key', async () => {
  const journey = new Journey('sale_repeat');
  /** @type {string[]} */
  const keys = [];
  const answer = await attempt(journey, 'order', {}, async (/** @type {string} */ key) => {
    keys.push(key);
    if (keys.length === 1) throw new Problem({ code: 'network' });
    return 'ordered';
  }, () => {});
  assert.equal(answer, 'ordered');
  assert.equal(keys[0], keys[1]);
});
