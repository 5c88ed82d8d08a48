/** How an entry of the waitlist is followed, on a network and a clock of its own. */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

const { EntryWatch } = await import(new URL('../../../gateway/web/assets/entry_watch.js', import.meta.url).href);

const BEGAN_AT = Date.parse('2030-05-01T10:00:00Z');
const POLL_MS = 5_000;
const ENTRY = { id: 'wle_1', state: 'waiting', position: 3 };
/** What the page may replace and must find again as it was. */
const REPLACED = ['WebSocket', 'addEventListener', 'location'];

/** The newest socket is the one in use. @type {Socket[]} */
let sockets = [];
/** @type {any[]} */
let heard = [];
let page = new EventTarget();
/** @type {any} */
let watch;

/** The far end of a connection. */
class Socket extends EventTarget {
  /** @type {string[]} */
  said = [];
  isClosed = false;

  constructor() {
    super();
    sockets.push(this);
  }

  /** @param {string} text */
  send(text) {
    this.said.push(text);
  }

  close() {
    this.isClosed = true;
  }

  /** @param {string} type @param {any} data */
  tells(type, data) {
    this.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify({ type, data }) }));
  }
}

const before = REPLACED.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);

beforeEach(() => {
  [sockets, heard, page] = [[], [], new EventTarget()];
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: BEGAN_AT });
  mock.method(Math, 'random', () => 1);
  Object.assign(globalThis, {
    WebSocket: Socket,
    addEventListener: page.addEventListener.bind(page),
    location: { href: 'https://tickets.example/s/a/waitlist/wle_1' },
  });
  watch = watches();
});

afterEach(() => {
  watch.end();
  mock.timers.reset();
  mock.restoreAll();
  for (const [name, property] of /** @type {[string, any][]} */ (before)) {
    if (property) Object.defineProperty(globalThis, name, property);
    else Reflect.deleteProperty(globalThis, name);
  }
});

const watches = () => new EntryWatch('sale_1', 'wle_1', 'wlt_1', {
  entry: (/** @type {any} */ entry) => heard.push(entry),
  sale: (/** @type {any} */ sale) => heard.push(sale),
});
const socket = () => /** @type {Socket} */ (sockets.at(-1));
const breathe = async () => { for (let turn = 0; turn < 10; turn += 1) await null; };

/** After how many milliseconds the page asks; none when it does not within them. @param {number} ms @param {(at: number) => void} [meanwhile] */
async function asksAfter(ms, meanwhile = () => {}) {
  /** @type {number | null} */
  let asked = null;
  watch.due(POLL_MS).then(() => { asked ??= Date.now() - from; });
  const from = Date.now();
  for (let at = 0; at < ms && asked === null; at += 500) {
    meanwhile(at);
    await breathe();
    if (asked === null) mock.timers.tick(500);
    await breathe();
  }
  return asked;
}

test('the entry and its token are the first message', () => {
  socket().dispatchEvent(new Event('open'));
  assert.deepEqual(socket().said.map((text) => JSON.parse(text)), [{ entry: 'wle_1', token: 'wlt_1' }]);
});

test('a page that is told asks once a minute, one that is not as often as the server says', async () => {
  assert.equal(await asksAfter(POLL_MS), POLL_MS);
  socket().tells('entry', ENTRY);
  assert.deepEqual(heard, [ENTRY]);
  assert.equal(await asksAfter(120_000), 60_000);
});

test('who loses the channel asks after the usual time, not at once', async () => {
  socket().tells('entry', ENTRY);
  const lost = (/** @type {number} */ at) => { if (at === 20_000) socket().dispatchEvent(new Event('close')); };
  assert.equal(await asksAfter(120_000, lost), 20_000 + POLL_MS);
});

test('when nobody knows, the page asks; and hears again', async () => {
  socket().tells('entry', ENTRY);
  socket().tells('error', { code: 'store_unavailable' });
  assert.equal(await asksAfter(120_000), POLL_MS);
  assert.equal(socket().isClosed, false, 'the channel stays');
  socket().tells('entry', { ...ENTRY, position: 2 });
  assert.equal(heard.at(-1).position, 2);
  assert.equal(await asksAfter(120_000), 60_000);
});

test('what ends for good is asked about, and not opened again', async () => {
  for (const [type, data] of /** @type {[string, any][]} */ ([['error', { code: 'token_invalid' }], ['sale', { state: 'closed' }]])) {
    const opened = sockets.length;
    socket().tells('entry', ENTRY);
    socket().tells(type, data);
    assert.equal(socket().isClosed, true);
    assert.equal(await asksAfter(120_000), POLL_MS);
    mock.timers.tick(60_000);
    assert.equal(sockets.length, opened);
    watch.end();
    watch = watches();
  }
});

test('what changes no more is asked about at once', async () => {
  socket().tells('entry', { ...ENTRY, state: 'lapsed' });
  assert.equal(await asksAfter(120_000), 0);
});

test('the token that another page got is asked for at once, and shown', async () => {
  socket().tells('entry', ENTRY);
  const stores = (/** @type {string} */ key) => page.dispatchEvent(Object.assign(new Event('storage'), { key }));
  stores('onsale:probe');
  assert.equal(await asksAfter(10_000), null, 'something else');
  stores('onsale:wle_1');
  assert.equal(await asksAfter(120_000), 0);
  watch.show('wlt_2');
  socket().dispatchEvent(new Event('open'));
  assert.equal(JSON.parse(socket().said[0]).token, 'wlt_2');
  const opened = sockets.length;
  watch.show('wlt_2');
  assert.equal(sockets.length, opened, 'the same one opens nothing');
});

test('a pause of the sale is heard, and the channel stays', () => {
  socket().tells('sale', { state: 'paused' });
  assert.deepEqual(heard, [{ state: 'paused' }]);
  assert.equal(socket().isClosed, false);
});

test('a page that nothing happens to any more opens nothing, whatever becomes of its network', () => {
  socket().tells('entry', { ...ENTRY, state: 'lapsed' });
  watch.end();
  for (const event of [new Event('online'), Object.assign(new Event('pageshow'), { persisted: true })]) page.dispatchEvent(event);
  mock.timers.tick(600_000);
  assert.equal(sockets.length, 1);
});
