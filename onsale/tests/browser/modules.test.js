/** What the pages' modules do without a page. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { mock, test } from 'node:test';

const assets = new URL('../../../gateway/web/assets/', import.meta.url);
const load = (/** @type {string} */ name) => import(new URL(name, assets).href);

const { addressOf } = await load('address.js');
const { Announcer } = await load('announcer.js');
const { Problem } = await load('api.js');
const { attempt } = await load('attempt.js');
const { leftInWords, withAvailability } = await load('availability.js');
const { Countdown } = await load('countdown.js');
const { EventReader } = await load('event_stream.js');
const { Journey } = await load('journey.js');
const { LEAVING, LEFT } = await load('leaving.js');
const { Ladder } = await load('ladder.js');
const { windowShelf } = await load('memory.js');
const { inWords } = await load('money.js');
const { delayMs } = await load('patience.js');
const { BankRefused, PaymentRefused, Provider } = await load('payment.js');
const { doorsOf } = await load('phases.js');
const { lentPlace, placeLink } = await load('place_link.js');
const { sentenceFor } = await load('problems.js');
const { chanceAfter } = await load('proof.js');
const { Search, solved } = await load('prover.js');
const { openSocket } = await load('socket.js');
const { pauseInWords, standsStill } = await load('standstill.js');
const { Steady } = await load('steady.js');
const { clockFace, lately, spanInWords, waitInWords } = await load('times.js');

test('an address says the slug and the order', () => {
  assert.deepEqual(addressOf('/s/arena-night'), { slug: 'arena-night', order: '' });
  assert.deepEqual(addressOf('/s/arena-night/checkout'), { slug: 'arena-night', order: '' });
  assert.deepEqual(addressOf('/s/arena%20night/orders/ord_1'), { slug: 'arena night', order: 'ord_1' });
});

test('an address that nobody encoded so names nothing, and stops nothing', () => {
  assert.deepEqual(addressOf('/s/50%/orders/ord_1'), { slug: '50%', order: 'ord_1' });
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
  assert.equal(clockFace(3 * 86_400_000 + 5_000), '3 days');
  assert.equal(clockFace(-5), '0:00');
});

test('what was said lately has its day unless it was today', () => {
  const now = new Date(2030, 4, 2, 9, 0).getTime();
  const said = (/** @type {number} */ day) => lately(new Date(2030, 4, day, 8, 30).toISOString(), now, 'en-GB');
  assert.equal(said(2), '08:30');
  assert.equal(said(1), '1 May, 08:30');
});

test('a span is said in minutes and seconds', () => {
  assert.equal(spanInWords(120_000), '2 minutes');
  assert.equal(spanInWords(61_000), '1 minute 1 second');
  assert.equal(spanInWords(-1), '0 seconds');
});

test('a wait is a range, rounded outward, in steps that grow', () => {
  const said = (/** @type {number} */ p10, /** @type {number} */ p90) => waitInWords({ p10, p50: (p10 + p90) / 2, p90 });
  assert.equal(waitInWords(null), '');
  assert.equal(said(10, 40), 'less than a minute');
  assert.equal(said(30, 90), 'up to 2 minutes');
  assert.equal(said(490, 700), '8 to 12 minutes');
  assert.equal(said(600, 600), 'about 10 minutes');
  assert.equal(said(1_300, 2_300), '20 to 40 minutes');
  assert.equal(said(5_400, 9_000), '1½ to 2½ hours');
  assert.equal(said(100, 9_000), 'up to 2½ hours');
});

test('a wait that is said changes at most every 8 seconds, and then to the newest', () => {
  let now = 0;
  const wait = new Steady(() => now);
  const shown = [0, 1_000, 7_999, 8_000, 8_001].map((at) => {
    now = at;
    return wait.of(`${at}`);
  });
  assert.deepEqual(shown, ['0', '0', '0', '8000', '8000']);
  assert.equal(wait.of(''), '', 'what is not known any more is not said any longer');
  assert.equal(wait.of('new'), 'new');
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
  assert.equal(leftInWords({ level: 'none', remaining: 0 }), 'None left now', 'a later part of the sale may have more');
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
  assert.match(sentenceFor(new Problem({ code: 'too_few_left', status: 409 })), /^Fewer .* left than you chose/);
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

test('a stream is taken apart into events, wherever it was cut', () => {
  const text = ': hello\n\ndata: {"a":1}\n\nevent: position\nid: 2\ndata: one\ndata:two\n\ndata\r\n\r\ndata: last\r\n\r\n';
  for (let at = 0; at <= text.length; at += 1) {
    const events = new EventReader();
    assert.deepEqual([...events.take(text.slice(0, at)), ...events.take(text.slice(at))], ['{"a":1}', 'one\ntwo', 'last'], `cut at ${at}`);
  }
});

test('a blocked socket gives way to the stream at once, and both are tried again with growing delays', () => {
  const ladder = new Ladder(() => 1);
  const blocked = () => [ladder.transport, ladder.ended({ isHeard: false, livedMs: 10 })];
  assert.deepEqual(blocked(), ['socket', 500]);
  assert.deepEqual(blocked(), ['stream', 8_000]);
  assert.deepEqual(blocked(), ['socket', 500]);
  assert.deepEqual(blocked(), ['stream', 16_000]);
  assert.equal(ladder.transport, 'socket');
});

test('a connection that was heard stays first choice, unless it breaks again and again', () => {
  const ladder = new Ladder(() => 1);
  const broke = (/** @type {number} */ livedMs) => [ladder.ended({ isHeard: true, livedMs }), ladder.transport];
  assert.deepEqual(broke(60_000), [4_000, 'socket']);
  assert.deepEqual(broke(2_000), [8_000, 'socket']);
  assert.deepEqual(broke(2_000), [16_000, 'stream']);
  assert.equal(ladder.ended({ isHeard: true, livedMs: 5, advisedMs: 1_000 }), 1_250, 'what the server asked for wins');
});

test('where a socket was heard, one that fails is tried again before the stream', () => {
  const ladder = new Ladder(() => 1);
  const blocked = () => [ladder.ended({ isHeard: false, livedMs: 10 }), ladder.transport];
  assert.equal(ladder.heard(), Infinity, 'a socket stays');
  assert.deepEqual([ladder.ended({ isHeard: true, livedMs: 60_000 }), ladder.transport], [4_000, 'socket']);
  assert.deepEqual(blocked(), [8_000, 'socket']);
  assert.deepEqual(blocked(), [500, 'stream']);
  assert.equal(ladder.heard(), 120_000, 'and a stream makes room for it in time');
  assert.deepEqual([ladder.ended({ isHeard: true, livedMs: 120_000 }), ladder.transport], [4_000, 'socket']);
});

test('after streams comes the socket again, at a growing interval, until it lives', () => {
  const ladder = new Ladder(() => 1);
  const blocked = () => ladder.ended({ isHeard: false, livedMs: 10 });
  const afterStream = (/** @type {number} */ livedMs) => {
    assert.equal(ladder.transport, 'stream');
    assert.equal(ladder.heard(), Infinity, 'where no socket was heard, nothing is given up for one');
    ladder.ended({ isHeard: true, livedMs });
    return ladder.transport;
  };
  blocked();
  assert.equal(afterStream(20_000), 'socket');
  blocked();
  assert.deepEqual([afterStream(50_000), afterStream(50_000)], ['stream', 'socket'], 'not before a minute of streams');
  blocked();
  assert.deepEqual([afterStream(100_000), afterStream(50_000)], ['stream', 'socket'], 'nor then before two');
  ladder.heard();
  ladder.ended({ isHeard: true, livedMs: 60_000 });
  assert.equal(ladder.transport, 'socket');
});

test('a proof of work is SHA-256, whatever the length of the challenge', () => {
  const bitsOf = (/** @type {string} */ text) => {
    const digest = createHash('sha256').update(text).digest();
    const whole = digest.findIndex((byte) => byte !== 0);
    return 8 * whole + Math.clz32(digest[whole]) - 24;
  };
  for (let length = 0; length <= 140; length += 1) {
    const challenge = 'x'.repeat(length);
    const search = new Search(challenge);
    for (const nonce of ['0', '42', '999999999']) assert.equal(search.bitsOf(nonce), bitsOf(`${challenge}:${nonce}`), `${length}`);
  }
  const nonce = solved('chl_AQZr', 12, () => {});
  assert.ok(bitsOf(`chl_AQZr:${nonce}`) >= 12);
});

test('the progress of a proof is the chance that it was found by now', () => {
  assert.equal(chanceAfter(0, 16), 0);
  assert.ok(Math.abs(chanceAfter(2 ** 16, 16) - 0.632) < 0.001);
  assert.ok(chanceAfter(2 ** 20, 16) > 0.999);
});

test('a pause says who paused, what one keeps, and that nothing is to be done', () => {
  assert.equal(pauseInWords(null), '');
  assert.equal(pauseInWords(null, 'open'), '');
  assert.match(pauseInWords(null, 'paused'), /by the organizer/);
  assert.match(pauseInWords({ by: 'organizer' }), /by the organizer.*keep your place.*clocks stand still/);
  assert.match(pauseInWords({ by: 'incident', what: 'stripe' }), /automatically.*payment service.*keep your place/);
  assert.match(pauseInWords({ by: 'incident', what: 'postgres' }), /automatically.*our system/);
  assert.match(pauseInWords({ by: 'incident', what: 'brand_new' }), /technical problem/);
  assert.ok(standsStill({ pause: { by: 'incident' }, sale_state: 'open' }) && !standsStill({ pause: null, sale_state: 'open' }));
});

test('a link to a place carries it in the fragment, and gives it back', () => {
  const link = new URL(placeLink('arena night', 'plc_a-b_c', 'https://tickets.example'));
  assert.equal(link.pathname, '/s/arena%20night');
  assert.equal(link.search, '');
  assert.equal(lentPlace(new URLSearchParams(link.hash.slice(1))), 'plc_a-b_c');
  assert.equal(lentPlace(new URLSearchParams('token=x')), '');
});

test('a lent place goes before the own one, and leaves it as it was', () => {
  const journey = new Journey('sale_lent');
  journey.remember({ place: { token: 'own', number: 7 } });
  journey.borrow('own');
  assert.ok(!journey.isLent, 'the own place is not lent');
  journey.borrow('other');
  assert.deepEqual(journey.steps.place, { token: 'other' });
  journey.remember({ place: { token: 'other', number: 9 } });
  journey.forget('place');
  assert.ok(!journey.isLent);
  assert.deepEqual(journey.steps.place, { token: 'own', number: 7 });
});

test('how a place ended is remembered for the other tabs, unless it was lent to this one', () => {
  const journey = new Journey('sale_ended');
  journey.remember({ place: { token: 'own' } });
  journey.borrow('other');
  journey.forgetPlace('expired');
  assert.deepEqual(journey.steps, { place: { token: 'own' } });
  journey.forgetPlace('unregistered');
  assert.deepEqual(journey.steps, { end: 'unregistered' });
});

test('the name of a window keeps what the browser does not, and nothing of others', () => {
  const window = { name: 'somebody else’s' };
  const shelf = windowShelf(window);
  assert.equal(shelf.read('a'), null);
  shelf.write('a', '1');
  shelf.write('b', '2');
  shelf.clear('a');
  assert.deepEqual([windowShelf(window).read('a'), windowShelf(window).read('b')], [null, '2']);
  window.name = 'onsale {';
  assert.equal(shelf.read('b'), null);
});

test('the doors of a sale say whether a code is asked for, and what comes next', () => {
  const at = (/** @type {number} */ hour) => `2030-05-01T${String(hour).padStart(2, '0')}:00:00Z`;
  const sale = {
    phases: [
      { prequeue_opens_at: null, opens_at: at(10), closes_at: at(11), access: 'code' },
      { prequeue_opens_at: at(11), opens_at: at(12), closes_at: null, access: 'public' },
    ],
  };
  const doors = (/** @type {number} */ hour) => doorsOf(sale, Date.parse(at(hour)));
  assert.deepEqual(doors(9), { code: 'no', next: { at: at(10), what: 'opening' } });
  assert.deepEqual(doors(10), { code: 'required', next: null });
  assert.deepEqual(doors(11), { code: 'no', next: { at: at(12), what: 'draw' } });
  assert.deepEqual(doors(12), { code: 'no', next: null });
  sale.phases[1].prequeue_opens_at = at(10);
  assert.deepEqual(doors(10), { code: 'optional', next: null });
  assert.deepEqual(doorsOf({ opens_at: at(10) }, Date.parse(at(9))), { code: 'no', next: { at: at(10), what: 'opening' } });
  assert.deepEqual(doorsOf({ phases: [sale.phases[1]] }, Date.parse(at(9))).next, { at: at(10), what: 'registration' });
});

test('the waiting room loads all its modules at once, and none besides', () => {
  const shell = readFileSync(new URL('../sale.html', assets), 'utf8');
  const preloaded = [...shell.matchAll(/rel="modulepreload" href="\/assets\/([\w.]+)"/g)].map(([, name]) => name);
  const needed = new Set();
  const follow = (/** @type {string} */ name) => {
    if (needed.has(name)) return;
    needed.add(name);
    const source = readFileSync(new URL(name, assets), 'utf8');
    for (const [, next] of source.matchAll(/^(?:import|export) [^;]*?from '\.\/([\w.]+)'/gms)) follow(next);
  };
  follow('sale.js');
  assert.deepEqual(preloaded, [...needed].filter((name) => name !== 'sale.js').sort());
});

test('leaving says what is lost: a number for good, a registration until one registers again', () => {
  assert.deepEqual([LEAVING.queue.button, LEAVING.prequeue.button], ['Leave the queue', 'Leave the draw']);
  for (const words of [LEAVING.queue.message, LEFT.queue.next]) assert.match(words, /start at the end/);
  for (const words of [LEAVING.prequeue.message, LEFT.prequeue.next]) {
    assert.match(words, /register again/);
    assert.doesNotMatch(words, /number|end\b/);
  }
});

test('a socket that a browser refuses to open counts as one that ended, unless the page closed it', async () => {
  const { WebSocket } = globalThis;
  const refused = class { constructor() { throw new Error('SecurityError'); } };
  Object.assign(globalThis, { WebSocket: refused, location: { href: 'https://tickets.example/s/a' } });
  try {
    const end = await new Promise((closed) => openSocket('sale_1', 'plc_1', { frame: () => {}, closed }));
    assert.deepEqual(end, { status: 0 });
    let ends = 0;
    openSocket('sale_1', 'plc_1', { frame: () => {}, closed: () => { ends += 1; } }).close();
    await new Promise((resolve) => setTimeout(resolve));
    assert.equal(ends, 0);
  } finally {
    Object.assign(globalThis, { WebSocket });
    Reflect.deleteProperty(globalThis, 'location');
  }
});

test('a countdown to a new deadline leaves nothing of the old one behind', () => {
  Object.assign(globalThis, { document: { addEventListener: () => {} } });
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.parse('2030-05-01T10:00:00Z') });
  try {
    let overs = 0;
    const countdown = new Countdown({ tick: () => {}, warning: () => {}, over: () => { overs += 1; } });
    countdown.until('2030-05-01T10:01:00Z');
    countdown.until('2030-05-01T09:59:00Z');
    mock.timers.tick(4_000);
    assert.equal(overs, 0, 'what is past is asked about after a while, not at the next second of the old deadline');
    mock.timers.tick(1_000);
    assert.equal(overs, 1);
  } finally {
    mock.timers.reset();
    Reflect.deleteProperty(globalThis, 'document');
  }
});

test('a countdown warns at 60 and at 20 seconds, once each, and not of what was never longer', () => {
  Object.assign(globalThis, { document: { addEventListener: () => {} } });
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.parse('2030-05-01T10:00:00Z') });
  try {
    /** @type {number[]} */
    const warned = [];
    const countdown = new Countdown({ tick: () => {}, warning: (/** @type {number} */ seconds) => warned.push(seconds), over: () => {} });
    countdown.until('2030-05-01T10:01:10Z');
    for (let second = 0; second < 70; second += 1) mock.timers.tick(1_000);
    assert.deepEqual(warned, [60, 20]);
    countdown.until('2030-05-01T10:01:40Z');
    for (let second = 0; second < 30; second += 1) mock.timers.tick(1_000);
    assert.deepEqual(warned, [60, 20, 20]);
  } finally {
    mock.timers.reset();
    Reflect.deleteProperty(globalThis, 'document');
  }
});

test('what runs out here is asked about at once, again after the sweep, and then now and then', () => {
  Object.assign(globalThis, { document: { addEventListener: () => {} } });
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.parse('2030-05-01T10:00:00Z') });
  try {
    /** @type {number[]} */
    const overs = [];
    const began = Date.now();
    const countdown = new Countdown({
      tick: () => {},
      warning: () => {},
      over: () => {
        overs.push((Date.now() - began) / 1000);
        countdown.until('2030-05-01T10:00:30Z');
      },
    });
    countdown.until('2030-05-01T10:00:30Z');
    for (let second = 0; second < 42; second += 1) mock.timers.tick(1_000);
    assert.deepEqual(overs, [30, 31, 36, 41]);
  } finally {
    mock.timers.reset();
    Reflect.deleteProperty(globalThis, 'document');
  }
});

test('a provider that says no and not why is put into words', async () => {
  const bank = (/** @type {object} */ error) => new Provider({ handleNextAction: async () => ({ error }) }).answerBank('secret');
  const refused = { payment_intent: { status: 'requires_payment_method' } };
  for (const silent of [{}, { message: '' }]) {
    await assert.rejects(bank({ ...refused, ...silent }), new BankRefused('The payment was not accepted.'));
    await assert.rejects(bank(silent), new PaymentRefused('The payment was not accepted.'));
  }
  await assert.rejects(bank({ ...refused, message: 'Your bank said no.' }), new BankRefused('Your bank said no.'));
});

test('the shells run nothing but their own modules, and no module writes markup', () => {
  const names = readdirSync(new URL('.', assets));
  for (const shell of readdirSync(new URL('..', assets)).filter((name) => name.endsWith('.html'))) {
    const html = readFileSync(new URL(`../${shell}`, assets), 'utf8');
    for (const [, attributes, body] of html.matchAll(/<script([^>]*)>([^<]*)</g)) {
      assert.match(attributes, /^ type="module" src="\/assets\/\w+\.js"$/, shell);
      assert.equal(body, '', shell);
    }
    assert.doesNotMatch(html, /\s(on\w+|style)="/, shell);
  }
  for (const name of names.filter((name) => name.endsWith('.js'))) {
    const source = readFileSync(new URL(name, assets), 'utf8');
    assert.doesNotMatch(source, /\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|console)\b/, name);
  }
});
