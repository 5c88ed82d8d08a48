/** Seats without a page: the plan and its changes, the feed that keeps it fresh, the choice, the drawing. */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

const assets = new URL('../../../gateway/web/assets/', import.meta.url);
const load = (/** @type {string} */ name) => import(new URL(name, assets).href);

const { alternativeInWords } = await load('offers.js');
const { SeatChoice } = await load('seat_choice.js');
const { SeatFeed } = await load('seat_feed.js');
const { PITCH, SeatLayout, middleOf } = await load('seat_layout.js');
const { SeatPlan, seatName, seatNamed } = await load('seat_plan.js');
const { seatNamesIn, seatsInWords } = await load('seat_words.js');
const { unitsByTier } = await load('units.js');

const { fetch } = globalThis;
const ANSWER = {
  version: '3-10', etag: '"3-10"',
  tiers: [{ tier: 'stalls', rows: [{ row: 'A', states: 'ffhs' }, { row: 'B', states: 'ffffff' }] }],
};
const seat = (/** @type {string} */ row, /** @type {number} */ number, tier = 'stalls') => ({ tier, row, number });
const states = (/** @type {any} */ plan) => plan.tiers[0].rows.map((/** @type {any} */ row) => row.states.join(''));
const delta = (/** @type {string | null} */ from, /** @type {string} */ to, /** @type {any} */ changes = [['stalls', 'A', 1, 'h']]) => ({ from, to, changes });

test('a seat has one name, whatever is in the name of its row', () => {
  for (const named of [seat('A', 1), seat('A-left', 20), seat('Loge 3', 7)]) assert.deepEqual(seatNamed('stalls', seatName(named)), named);
});

test('a plan knows each seat, and of none that there is not', () => {
  const plan = new SeatPlan(ANSWER);
  assert.deepEqual([1, 2, 3, 4, 5].map((number) => plan.state(seat('A', number))), ['f', 'f', 'h', 's', 's']);
  assert.equal(plan.state(seat('A', 1, 'balcony')), 's');
});

for (const [what, { from, to, changes }, rows, after] of /** @type {[string, any, string[] | null, string][]} */ ([
  ['what follows is applied', delta('3-10', '3-12'), ['A'], 'hfhs'],
  ['what overlaps is applied', delta('3-7', '3-12'), ['A'], 'hfhs'],
  ['what is known is ignored', delta('3-7', '3-10'), [], 'ffhs'],
  ['what is of an epoch before is ignored', delta('2-90', '2-99'), [], 'ffhs'],
  ['a gap is no change but a reason to fetch', delta('3-11', '3-12'), null, 'ffhs'],
  ['so is another epoch', delta('4-0', '4-2'), null, 'ffhs'],
  ['so is too much for a frame', delta(null, '3-99', null), null, 'ffhs'],
  ['but not what is known already', delta(null, '3-10', null), [], 'ffhs'],
  ['a row or a seat that there is not changes nothing', delta('3-10', '3-12', [['stalls', 'Z', 1, 'h'], ['stalls', 'A', 5, 'h']]), [], 'ffhs'],
])) {
  test(`of changes, ${what}`, () => {
    const plan = new SeatPlan(ANSWER);
    const changed = plan.apply({ from, to, changes });
    assert.deepEqual(changed && changed.map((/** @type {any} */ { row }) => row), rows);
    assert.equal(states(plan)[0], after);
  });
}

test('hearing a change twice does no harm, and a row that changes twice is told once', () => {
  const plan = new SeatPlan(ANSWER);
  const change = delta('3-10', '3-12', [['stalls', 'A', 1, 'h'], ['stalls', 'A', 1, 'f'], ['stalls', 'A', 2, 's']]);
  assert.equal(plan.apply(change).length, 1);
  assert.deepEqual(plan.apply(change), []);
  assert.equal(states(plan)[0], 'fshs');
});

test('changes in any order lead to what the server says', () => {
  // Every delta overlaps the one before, as after a reconnection; applied in order, the last word on a seat wins.
  const plan = new SeatPlan({ ...ANSWER, version: '1-0', tiers: [{ tier: 'stalls', rows: [{ row: 'A', states: 'ffffffff' }] }] });
  const truth = [...'ffffffff'];
  for (let changes = 1, random = 7; changes <= 500; changes += 1) {
    random = (random * 1_103_515_245 + 12_345) % 2_147_483_648;
    const [index, state] = [random % 8, 'fhs'[(random >> 8) % 3]];
    truth[index] = state;
    plan.apply({ from: `1-${Math.max(0, changes - 3)}`, to: `1-${changes}`, changes: [['stalls', 'A', index + 1, state]] });
  }
  assert.equal(states(plan)[0], truth.join(''));
});

test('a choice keeps within the limit, and gives up only what is gone', () => {
  const choice = new SeatChoice(() => 2 - choice.count());
  assert.equal(choice.toggle(seat('A', 1)), 'chosen');
  assert.equal(choice.toggle(seat('A', 2)), 'chosen');
  assert.equal(choice.toggle(seat('B', 1)), 'limit');
  assert.equal(choice.toggle(seat('A', 1)), 'unchosen');
  choice.add([seat('A', 2), seat('B', 1), seat('B', 2)]);
  assert.deepEqual(choice.namesOf('stalls'), ['A-2', 'B-1']);
  assert.deepEqual(choice.drop(({ number }) => number === 2).map(seatName), ['A-2']);
  assert.deepEqual(choice.namesOf('stalls'), ['B-1']);
  assert.deepEqual(choice.namesOf('balcony'), []);
});

test('every seat is found where it is drawn, and nothing between the rows of a hall of any shape', () => {
  const rowsOf = (/** @type {number[]} */ ...seats) => seats.map((count, index) => ({ row: String(index), states: Array(count).fill('f') }));
  const layout = new SeatLayout([{ tier: 'stalls', rows: rowsOf(20, 1, 22, 500) }, { tier: 'balcony', rows: rowsOf(7, 8) }]);
  for (const place of layout.places) {
    place.row.states.forEach((/** @type {string} */ _, /** @type {number} */ column) => {
      const { x, y } = middleOf(place, column);
      assert.deepEqual(layout.at(x + PITCH / 3, y - PITCH / 3), { place, column });
      assert.ok(x > 0 && x < layout.width && y > 0 && y < layout.height);
    });
    assert.equal(layout.at(place.left - PITCH, place.y), null);
  }
  assert.equal(layout.at(layout.width / 2, layout.headings[1].y), null, 'above a tier stands its name');
  assert.equal(layout.columns, 500);
  assert.equal(layout.placeOf({ tier: 'balcony', row: '1', number: 1 }).index, 5);
});

test('plans are drawn alike when only states differ', () => {
  const layoutOf = (/** @type {any} */ answer) => new SeatLayout(new SeatPlan(answer).tiers);
  const other = (/** @type {string} */ row, /** @type {string} */ taken) => ({ ...ANSWER, tiers: [{ tier: 'stalls', rows: [{ row, states: taken }, { row: 'B', states: 'ssssss' }] }] });
  assert.ok(layoutOf(ANSWER).isLike(layoutOf(other('A', 'ssss'))));
  for (const unlike of [other('A', 'sss'), other('C', 'ssss'), { ...ANSWER, tiers: [] }]) assert.ok(!layoutOf(ANSWER).isLike(layoutOf(unlike)));
});

test('seats are said in a sentence, many by their number', () => {
  assert.equal(seatsInWords([]), '');
  assert.equal(seatsInWords(['A-1']), 'A-1');
  assert.equal(seatsInWords(['A-1', 'A-2', 'B-1']), 'A-1, A-2 and B-1');
  assert.equal(seatsInWords(Array(7).fill('A-1')), '7 seats');
});

test('what is held is said tier by tier, in the order of the sale', () => {
  const tiers = [{ id: 'stalls', name: 'Stalls' }, { id: 'balcony', name: 'Balcony' }, { id: 'standing', name: 'Standing' }];
  const units = [{ tier: 'standing', seat: null }, { tier: 'stalls', seat: 'A-1' }, { tier: 'standing', seat: null }, { tier: 'stalls', seat: 'A-2' }];
  assert.deepEqual(unitsByTier(units, tiers), ['2 × Stalls: A-1, A-2', '2 × Standing']);
});

test('what was refused is what the server points at; all of it when it points at nothing', () => {
  const errors = [{ pointer: '/items/0/seats/1' }, { pointer: '/items/1/seats/0' }, { pointer: '/items/0/tier' }];
  assert.deepEqual(seatNamesIn(errors, 0, ['A-1', 'A-2']), ['A-2']);
  assert.deepEqual(seatNamesIn(errors, 1, ['B-1', 'B-2']), ['B-1']);
  assert.deepEqual(seatNamesIn([], 0, ['A-1', 'A-2']), ['A-1', 'A-2']);
});

test('an alternative says what it is', () => {
  assert.equal(alternativeInWords({ quantity: 2, seats: ['A-3', 'A-4'], together: true }, 'Stalls'), 'Stalls A-3 and A-4, side by side');
  assert.equal(alternativeInWords({ quantity: 2, seats: ['A-3', 'B-4'], together: false }, 'Stalls'), 'Stalls A-3 and B-4, apart');
  assert.equal(alternativeInWords({ quantity: 1, seats: ['A-3'], together: true }, 'Stalls'), 'Stalls A-3');
  assert.equal(alternativeInWords({ quantity: 2, seats: null, together: false }, 'Standing'), '2 × Standing');
});

/** What was sent: the versions it said were there. @type {(string | null)[]} */
let sent = [];
/** What is answered in turn. @type {(() => Promise<Response> | Response)[]} */
let answers = [];
/** What the feed told. @type {string[]} */
let told = [];
/** @type {any} */
let plan;

const answered = (/** @type {string} */ version, row = 'ffhs') => () =>
  Response.json({ ...ANSWER, version, tiers: [{ tier: 'stalls', rows: [{ row: 'A', states: row }] }] }, { headers: { ETag: `"${version}"` } });
const unchanged = () => new Response(null, { status: 304 });
/** Lets everything that is due happen. */
const settle = async () => {
  for (let turn = 0; turn < 30; turn += 1) {
    mock.timers.tick(50);
    await new Promise((resolve) => setImmediate(resolve));
  }
};

const feedOf = () => new SeatFeed('sale_1', {
  plan: (/** @type {any} */ now) => { plan = now; told.push(`plan ${states(now)[0]}`); },
  changed: () => { told.push(`changed ${states(plan)[0]}`); },
  trouble: (/** @type {any} */ problem) => { if (problem) told.push(problem.code); },
});

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  [sent, answers, told] = [[], [], []];
  Object.assign(globalThis, {
    fetch: async (/** @type {string} */ _path, /** @type {RequestInit} */ { headers }) => {
      sent.push(/** @type {Headers} */ (headers).get('If-None-Match'));
      return (answers.shift() ?? unchanged)();
    },
  });
});

afterEach(() => {
  mock.timers.reset();
  Object.assign(globalThis, { fetch });
});

test('a feed fetches once, and from then on applies what the channel tells', async () => {
  answers = [answered('3-10')];
  const feed = feedOf();
  feed.start();
  await settle();
  feed.hear(delta('3-10', '3-11'));
  feed.hear(delta('3-10', '3-11'));
  await settle();
  assert.deepEqual(told, ['plan ffhs', 'changed hfhs']);
  assert.deepEqual(sent, [null]);
});

test('what the channel tells while the map is on its way is not lost', async () => {
  answers = [answered('3-10')];
  const feed = feedOf();
  feed.start();
  feed.hear(delta('3-8', '3-10', [['stalls', 'A', 2, 's']]));
  feed.hear(delta('3-10', '3-11'));
  await settle();
  assert.deepEqual(told, ['plan ffhs', 'changed hfhs']);
});

test('a gap makes it fetch again, once for all that comes meanwhile', async () => {
  answers = [answered('3-10'), answered('3-20', 'ssss')];
  const feed = feedOf();
  feed.start();
  await settle();
  feed.hear(delta('3-15', '3-16'));
  feed.hear(delta('3-16', '3-20'));
  feed.hear(delta('3-20', '3-21', [['stalls', 'A', 4, 'f']]));
  await settle();
  assert.deepEqual(sent, [null, '"3-10"']);
  assert.deepEqual(told, ['plan ffhs', 'plan ssss', 'changed sssf']);
});

test('so many changes while it is on its way that it fetches once more', async () => {
  answers = [answered('3-10'), answered('3-900', 'ssss')];
  const feed = feedOf();
  feed.start();
  for (let changes = 10; changes < 200; changes += 1) feed.hear(delta(`3-${changes}`, `3-${changes + 1}`));
  await settle();
  assert.deepEqual(told, ['plan ffhs', 'plan ssss']);
});

test('who gets an older map than the channel told of asks once more', async () => {
  answers = [answered('3-8'), answered('3-12', 'hfhs')];
  const feed = feedOf();
  feed.start();
  feed.hear({ from: null, to: '3-12', changes: null });
  await settle();
  assert.deepEqual(told, ['plan ffhs', 'plan hfhs']);
  feed.hear({ from: null, to: '3-12', changes: null });
  await settle();
  assert.deepEqual(sent, [null, '"3-8"'], 'what is there already is not fetched');
});

test('what made it fetch again is applied to a map that is too old for it still', async () => {
  answers = [answered('3-10'), answered('3-14', 'ffss')];
  const feed = feedOf();
  feed.start();
  await settle();
  feed.hear(delta('3-14', '3-16', [['stalls', 'A', 1, 's']]));
  await settle();
  assert.deepEqual(told, ['plan ffhs', 'plan ffss', 'changed sfss']);
});

test('who gets an older map than before keeps what there is, and asks once more', async () => {
  answers = [answered('3-12', 'hfhs'), answered('3-10'), answered('3-13', 'shhs')];
  const feed = feedOf();
  feed.start();
  await settle();
  feed.refresh();
  await settle();
  assert.deepEqual(told, ['plan hfhs', 'plan shhs']);
  assert.deepEqual(sent, [null, '"3-12"', '"3-12"']);
});

test('a map of an epoch before is older, however many changes it had', async () => {
  answers = [answered('4-1'), answered('3-900', 'ssss')];
  const feed = feedOf();
  feed.start();
  await settle();
  feed.refresh();
  await settle();
  assert.deepEqual(told, ['plan ffhs']);
});

test('who asked once more in vain waits for news, which it then asks about again', async () => {
  answers = [answered('3-8'), answered('3-9'), answered('3-9')];
  const feed = feedOf();
  feed.start();
  feed.hear({ from: null, to: '3-12', changes: null });
  await settle();
  await settle();
  assert.deepEqual(sent, [null, '"3-8"'], 'no more than once');
  answers = [answered('3-14', 'ssss')];
  feed.hear(delta('3-12', '3-14'));
  await settle();
  assert.deepEqual(told.at(-1), 'plan ssss');
});

test('who may have another gateway’s map takes a change over it, and asks for the whole once, in a while', async () => {
  // Seat 2 was held at 12 and at 15, and free at 13, which only another gateway read: the change does not name it.
  answers = [answered('3-13', 'ffhs'), answered('3-16', 'hhhs')];
  const feed = feedOf();
  feed.start();
  await settle();
  feed.hear(delta('3-12', '3-15'));
  feed.hear(delta('3-12', '3-16', [['stalls', 'A', 1, 'h']]));
  assert.deepEqual(told, ['plan ffhs', 'changed hfhs', 'changed hfhs'], 'what it knows is shown at once');
  mock.timers.tick(900);
  assert.deepEqual(sent, [null], 'not everybody at once');
  for (let turns = 0; turns < 3; turns += 1) await settle();
  assert.deepEqual(sent, [null, '"3-13"']);
  assert.deepEqual(told.at(-1), 'plan hhhs');
});

test('who has a map that the channel told of, or where a change begins, misses nothing', async () => {
  answers = [answered('3-10')];
  const feed = feedOf();
  feed.start();
  await settle();
  feed.hear(delta('3-10', '3-12'));
  feed.hear(delta('3-8', '3-13'));
  for (let turns = 0; turns < 3; turns += 1) await settle();
  assert.deepEqual(sent, [null]);
  feed.link('none');
  feed.link('live');
  for (let turns = 0; turns < 3; turns += 1) await settle();
  const asked = sent.length;
  feed.hear(delta('3-12', '3-14'));
  for (let turns = 0; turns < 3; turns += 1) await settle();
  assert.equal(sent.length, asked + 1, 'another connection may be to another gateway');
});

test('a seat that was refused is taken at once, and the whole map is asked for when every gateway knows', async () => {
  answers = [answered('3-10'), answered('3-12', 'fhhs')];
  const feed = feedOf();
  feed.start();
  await settle();
  feed.hearTaken([seat('A', 1), seat('A', 4)]);
  assert.deepEqual(told, ['plan ffhs', 'changed hfhs'], 'what the map has of a seat that is not free stands');
  mock.timers.tick(900);
  await settle();
  for (let turns = 0; turns < 3; turns += 1) await settle();
  assert.deepEqual(sent, [null, null], 'whatever the map is like, all of it');
  assert.deepEqual(told.at(-1), 'plan fhhs', 'the seat came back, and another is gone');
});

test('what the channel tells of a seat that was refused goes before the answer', async () => {
  answers = [answered('3-10'), answered('3-12', 'sfhs')];
  const feed = feedOf();
  feed.start();
  await settle();
  feed.hearTaken([seat('A', 1)]);
  feed.hear(delta('3-10', '3-12', [['stalls', 'A', 1, 's']]));
  assert.deepEqual(told, ['plan ffhs', 'changed hfhs', 'changed sfhs']);
  feed.hearTaken([seat('A', 1)]);
  assert.deepEqual(told, ['plan ffhs', 'changed hfhs', 'changed sfhs']);
  for (let turns = 0; turns < 3; turns += 1) await settle();
});

test('without a channel each poll asks, and what is not changed is not drawn again', async () => {
  answers = [answered('3-10'), unchanged, answered('3-11', 'hfhs')];
  const feed = feedOf();
  feed.start();
  await settle();
  for (const link of ['polled', 'polled']) {
    feed.link(link);
    await settle();
  }
  assert.deepEqual(sent, [null, '"3-10"', '"3-10"']);
  assert.deepEqual(told, ['plan ffhs', 'plan hfhs']);
});

test('a channel that was away is not trusted to have told everything', async () => {
  answers = [answered('3-10')];
  const feed = feedOf();
  feed.start();
  await settle();
  for (const link of ['live', 'none', 'live', 'live']) feed.link(link);
  await settle();
  assert.deepEqual(sent, [null, '"3-10"']);
});

test('a store that is away is asked again until it answers', async () => {
  answers = [() => Response.json({ code: 'store_unavailable' }, { status: 503 }), () => { throw new TypeError('offline'); }, answered('3-10')];
  const feed = feedOf();
  feed.start();
  await settle();
  await settle();
  await settle();
  assert.deepEqual(told, ['store_unavailable', 'network', 'plan ffhs']);
});

test('nobody looks, nothing is asked; whoever looks again has what is true by then', async () => {
  answers = [answered('3-10'), answered('3-30', 'ssss')];
  const feed = feedOf();
  feed.link('polled');
  feed.hear(delta('3-15', '3-16'));
  await settle();
  assert.deepEqual(sent, []);
  feed.start();
  await settle();
  feed.stop();
  feed.hear(delta('3-15', '3-16'));
  feed.link('polled');
  await settle();
  assert.deepEqual(sent, [null]);
  feed.start();
  await settle();
  assert.deepEqual(told, ['plan ffhs', 'plan ssss']);
});
