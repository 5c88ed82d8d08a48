/** How a place is followed, on a network and a clock of its own. */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

const { PlaceWatch } = await import(new URL('../../../gateway/web/assets/queue.js', import.meta.url).href);

const BEGAN_AT = Date.parse('2030-05-01T10:00:00Z');
/** What the page may replace and must find again as it was. */
const REPLACED = ['WebSocket', 'addEventListener', 'document', 'fetch', 'location'];

/** The newest socket is the one in use. @type {Socket[]} */
let sockets = [];
/** How many polls went out. */
let polls = 0;
/** What a poll is answered. @type {() => Response} */
let answer;
/** What the page was told. @type {{positions: any[], links: string[], seats: any[], troubles: any[]}} */
let told;
/** @type {any} */
let watch;
let chance = 0;
let page = new EventTarget();

/** The far end of a connection. */
class Socket extends EventTarget {
  constructor() {
    super();
    sockets.push(this);
  }

  send() {}

  close() {}

  /** @param {string} type @param {any} data */
  tells(type, data) {
    this.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify({ type, data }) }));
  }
}

const before = REPLACED.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);

beforeEach(() => {
  [sockets, polls, chance] = [[], 0, 0];
  told = { positions: [], links: [], seats: [], troubles: [] };
  page = new EventTarget();
  answer = () => Response.json(standing(7));
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: BEGAN_AT });
  mock.method(Math, 'random', () => chance);
  Object.assign(globalThis, {
    WebSocket: Socket,
    addEventListener: page.addEventListener.bind(page),
    document: Object.assign(new EventTarget(), { visibilityState: 'visible' }),
    fetch: async () => {
      polls += 1;
      return answer();
    },
    location: { href: 'https://tickets.example/s/a' },
  });
});

afterEach(() => {
  watch.stop();
  mock.timers.reset();
  mock.restoreAll();
  for (const [name, own] of before) {
    if (own) Object.defineProperty(globalThis, String(name), own);
    else Reflect.deleteProperty(globalThis, String(name));
  }
});

/** A position that waits. @param {number} number @param {Record<string, unknown>} [rest] */
const standing = (number, rest) => ({ state: 'waiting', sale_state: 'open', number, ahead: 3, poll_after_ms: 1_000, ...rest });
const REGISTERED = { state: 'prequeue', sale_state: 'prequeue', number: null, ahead: null, poll_after_ms: 30_000 };

/** Lets every answer arrive. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** @param {number} ms */
async function passes(ms) {
  mock.timers.tick(ms);
  await settle();
}

/** Follows a place, up to its first socket. @param {number | null} number */
async function follows(number) {
  watch = new PlaceWatch('sale_1', { token: 'plc_1', number }, {
    position: (/** @type {any} */ position) => told.positions.push(position),
    link: (/** @type {string} */ link) => told.links.push(link),
    seats: (/** @type {any} */ delta) => told.seats.push(delta),
    trouble: (/** @type {any} */ problem) => told.troubles.push(problem?.code ?? null),
    lost: () => assert.fail('the place was lost'),
  });
  await settle();
  return sockets[0];
}

test('the turn of another place, told before this one could speak, is nobody’s here', async () => {
  const socket = await follows(7);
  socket.tells('position', { state: 'admitted', number: 1, pass: 'pas_1' });
  socket.tells('admitted', { pass: 'pas_1' });
  assert.deepEqual(told.positions, []);
  socket.tells('position', standing(7));
  socket.tells('admitted', { pass: 'pas_7' });
  assert.deepEqual(told.positions.map(({ state, number, pass }) => [state, number, pass]), [['waiting', 7, undefined], ['admitted', 7, 'pas_7']]);
  await passes(5_000);
  assert.equal(polls, 0, 'the channel is its own');
});

test('seats that change are told as they are, are no news of the place, and keep its channel', async () => {
  const socket = await follows(7);
  const delta = { from: '1-1', to: '1-2', changes: [['stalls', 'A', 1, 'h']] };
  socket.tells('seats', delta);
  assert.deepEqual(told.seats, [], 'not before it is known whose channel it is');
  socket.tells('position', standing(7));
  socket.tells('seats', delta);
  assert.deepEqual(told.seats, [delta]);
  assert.equal(told.positions.length, 1);
  await passes(5_000);
  assert.equal(polls, 0);
});

test('a registration believes a number on its own channel, and asks on any other', async () => {
  const socket = await follows(null);
  socket.tells('position', REGISTERED);
  socket.tells('position', standing(7));
  assert.deepEqual(told.positions.map(({ number }) => number), [null, 7]);
  watch.stop();

  [sockets, told.positions] = [[], []];
  const other = await follows(null);
  other.tells('position', standing(9));
  assert.deepEqual(told.positions, []);
  await passes(2_000);
  assert.equal(polls, 1);
  assert.deepEqual(told.positions.map(({ number }) => number), [7]);
  other.tells('position', standing(7, { ahead: 2 }));
  assert.equal(told.positions.at(-1).ahead, 2);
  await passes(5_000);
  assert.deepEqual([polls, sockets.length], [1, 1]);
});

for (const [random, silentMs] of [[0, 30_000], [0.5, 45_000]]) {
  test(`near the turn a silent channel is checked after a random time: ${silentMs} ms`, async () => {
    chance = random;
    const socket = await follows(7);
    socket.tells('position', standing(7));
    socket.tells('sale', { notice: { text: 'to all at once' } });
    await passes(silentMs - 1);
    assert.equal(polls, 0);
    await passes(1);
    assert.equal(polls, 1);
  });
}

for (const [toOpeningMs, silentMs] of [[3_600_000, 120_000], [60_000, 30_000]]) {
  test(`${toOpeningMs / 1_000} s before the draw a silent channel is checked after ${silentMs / 1_000} s`, async () => {
    answer = () => Response.json(REGISTERED);
    const socket = await follows(null);
    socket.tells('position', { ...REGISTERED, opens_at: new Date(BEGAN_AT + toOpeningMs).toISOString() });
    await passes(silentMs - 1);
    assert.equal(polls, 0);
    await passes(1);
    assert.equal(polls, 1);
  });
}

test('trouble that the channel tells of is waited out on it, and a good answer ends it', async () => {
  const socket = await follows(7);
  socket.tells('position', standing(7));
  socket.tells('error', { code: 'store_unavailable', status: 503 });
  assert.deepEqual([told.links, told.troubles], [['live', 'none'], ['store_unavailable']]);
  await passes(29_999);
  assert.equal(polls, 0);
  await passes(1);
  assert.equal(polls, 1);
  assert.deepEqual([told.links, told.troubles], [['live', 'none', 'live'], ['store_unavailable', null]]);
});

test('a poll that is told when to come again comes a little later, at random', async () => {
  answer = () => Response.json({ code: 'overloaded' }, { status: 503, headers: { 'Retry-After': '4' } });
  chance = 0.5;
  await follows(7);
  await passes(3_000);
  assert.equal(polls, 1);
  await passes(4_499);
  assert.equal(polls, 1);
  await passes(1);
  assert.equal(polls, 2);
});

test('waking is told in several ways and looked at once', async () => {
  const socket = await follows(7);
  socket.tells('position', standing(7));
  document.dispatchEvent(new Event('visibilitychange'));
  document.dispatchEvent(new Event('resume'));
  page.dispatchEvent(new Event('online'));
  page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
  await passes(250);
  assert.deepEqual([polls, sockets.length], [1, 2]);
});

test('a tab that is looked at again asks, and keeps a channel that lacked nothing', async () => {
  chance = 0.5;
  const socket = await follows(7);
  socket.tells('position', standing(7));
  const looks = async () => {
    document.dispatchEvent(new Event('visibilitychange'));
    await passes(250);
  };
  await looks();
  assert.equal(polls, 0, 'it was heard just now');
  await passes(35_000);
  await looks();
  assert.deepEqual([polls, sockets.length], [1, 1]);
  answer = () => Response.json(standing(7, { ahead: 1 }));
  await passes(35_000);
  await looks();
  await passes(4_000);
  assert.equal(sockets.length, 2, 'what the poll brought, the channel had not');
});
