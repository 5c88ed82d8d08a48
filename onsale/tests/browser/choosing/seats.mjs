/** Seats by name: on the map, by keyboard, from the list; kept up to date, and said politely when one goes. */

import { Chooser, HALL, OPEN_DOORS, rowsOf } from '../chooser.mjs';

/** Within it a change of a seat is on every screen; a busy machine adds to it. */
const SEEN_WITHIN_MS = 5_000;
/** More elements than this in the drawing, and a phone would crawl. */
const ELEMENTS_MAX = 2_000;
const config = () => ({ tiers: HALL, per_buyer_limit: 4, admission: OPEN_DOORS });

/** @type {import('../room.mjs').Stay[]} */
export const SEATS = [
  {
    title: 'seat map',
    config,
    async run({ visitor, rival }, { page, step }) {
      await page.setViewportSize({ width: 1280, height: 900 });
      const person = visitor(page);
      const chooser = new Chooser(person);
      await step('is offered the best available first', async () => {
        await chooser.getsATurn();
        if (!(await page.getByRole('radio', { name: 'Best available' }).isChecked())) throw new Error('seats come first');
        await person.seesItAccessible('choose', 'best');
      });
      await step('chooses seats with the mouse', async () => {
        await chooser.wantsSeats();
        await chooser.presses(0, 5, 12);
        await chooser.presses(0, 6, 12);
        await chooser.presses(1, 7, 14);
        await chooser.hasChosen('A-5', 'A-6', 'B-7');
        await person.seesItAccessible('choose', 'map');
      });
      await step('takes one back by pressing it again, and another from the list of what is chosen', async () => {
        await chooser.presses(1, 7, 14);
        await chooser.hasChosen('A-5', 'A-6');
        await page.getByRole('button', { name: 'Take back Stalls A-5' }).click();
        await chooser.hasChosen('A-6');
        await chooser.presses(0, 5, 12);
      });
      await step('is told when somebody else takes one, keeps the other, and sees it as taken', async () => {
        await (await rival()).holds({ tier: 'stalls', seats: ['A-6'] });
        await person.reads('seat-news', /A-6 was just taken by someone else.*Still chosen: A-5/);
        await chooser.hasChosen('A-5');
        await chooser.presses(0, 6, 12);
        await person.reads('seat-news', /A-6 is in someone’s basket, may come back/);
        await person.looks('taken');
      });
      await step('cannot choose more than a buyer may have', async () => {
        for (const number of [1, 2, 3, 4]) await chooser.presses(0, number, 12);
        await person.reads('seat-news', /as many as one buyer may have/);
        await chooser.hasChosen('A-5', 'A-1', 'A-2', 'A-3');
      });
      await step('holds them', () => chooser.holds(/4 × Stalls: A-1, A-2, A-3, A-5/));
      await step('gives them back, and sees them free at once', async () => {
        await page.locator('#give-back').click();
        await person.sees('choose');
        await chooser.hasChosen();
        await freeAgain(page, chooser, [0, 1, 12], 'A-1');
      });
    },
  },
  {
    title: 'seats by keyboard',
    settings: { colorScheme: 'dark', reducedMotion: 'reduce' },
    config,
    async run({ visitor }, { page, step }) {
      await page.setViewportSize({ width: 768, height: 1024 });
      const person = visitor(page);
      const chooser = new Chooser(person);
      const label = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
      const goes = async (/** @type {string[]} */ ...keys) => {
        for (const key of keys) await page.keyboard.press(key);
      };
      const isAt = async (/** @type {RegExp} */ words) => {
        const found = await label();
        if (!words.test(found ?? '')) throw new Error(`the focus is on ${found}`);
      };
      await step('reaches the map by Tab alone', async () => {
        await chooser.getsATurn();
        await tabTo(page, () => /** @type {HTMLInputElement} */ (document.activeElement)?.name === 'way');
        await goes('ArrowDown');
        await page.locator('.seats').waitFor();
        await tabTo(page, () => document.activeElement?.getAttribute('role') === 'gridcell');
        await isAt(/^Stalls, row A, seat 7, €80\.00, free$/);
      });
      await step('walks from seat to seat, and across rows of other lengths', async () => {
        await goes('ArrowRight', 'ArrowDown');
        await isAt(/row B, seat 9/);
        await goes('Home');
        await isAt(/row B, seat 1,/);
        await goes('ArrowUp');
        await isAt(/row A, seat 1,/);
        await goes('Control+End');
        await isAt(/^Balcony, row L, seat 22, €55\.00/);
        await goes('ArrowRight', 'ArrowDown');
        await isAt(/row L, seat 22/);
        await goes('Control+Home');
        await isAt(/^Stalls, row A, seat 1,/);
      });
      await step('chooses with Space and Enter, and hears it', async () => {
        await goes('Space', 'ArrowRight', 'Enter');
        await chooser.hasChosen('A-1', 'A-2');
        await isAt(/row A, seat 2, €80\.00, chosen by you/);
        await person.reads('seat-news', /A-2 chosen. 2 chosen in all/);
        const selected = await page.evaluate(() => document.activeElement?.getAttribute('aria-selected'));
        if (selected !== 'true') throw new Error(`aria-selected is ${selected}`);
        await goes('Space');
        await chooser.hasChosen('A-1');
        await person.seesItAccessible('choose', 'keyboard');
      });
      await step('zooms with plus and minus', async () => {
        const width = () => page.evaluate(() => document.querySelector('.seats')?.clientWidth ?? 0);
        const before = await width();
        await goes('+', '+');
        const closer = await width();
        await goes('-', '-', '-', '-');
        if (closer <= before || await width() >= closer) throw new Error(`${before}, ${closer}, ${await width()} px wide`);
      });
      await step('holds it with Enter', async () => {
        await tabTo(page, () => document.activeElement?.id === 'take');
        await goes('Enter');
        await page.locator('#details').waitFor();
        await page.locator('#held').filter({ hasText: '1 × Stalls: A-1' }).waitFor();
      });
    },
  },
  {
    title: 'seats from the list',
    config,
    async run({ visitor, rival }, { page, step }) {
      await page.setViewportSize({ width: 360, height: 780 });
      const person = visitor(page);
      const chooser = new Chooser(person);
      await step('opens a row, and ticks seats', async () => {
        await chooser.getsATurn();
        await chooser.wantsSeats();
        await chooser.wantsTheList();
        await page.locator('#seat-list summary', { hasText: 'Row B: 14 free' }).click();
        await page.getByRole('checkbox', { name: 'Stalls, row B, seat 3,' }).check();
        await page.getByRole('checkbox', { name: 'Stalls, row B, seat 4,' }).check();
        await chooser.hasChosen('B-3', 'B-4');
        await person.seesItAccessible('choose', 'list');
      });
      await step('sees a seat go, its box unticked', async () => {
        await (await rival()).holds({ tier: 'stalls', seats: ['B-4'] });
        await page.locator('#seat-list summary', { hasText: 'Row B: 13 free' }).waitFor();
        await page.getByRole('checkbox', { name: /row B, seat 4, .*in someone’s basket/, checked: false }).waitFor();
        await chooser.hasChosen('B-3');
      });
      await step('mixes them with tickets without a seat', async () => {
        await chooser.wants('standing', 2);
        await page.locator('#sum').filter({ hasText: '€140.00' }).waitFor();
        await mustNotScrollSideways(page);
        await chooser.holds(/1 × Stalls: B-3.*2 × Standing/s);
      });
    },
  },
  {
    title: 'seats without a channel',
    config,
    async run({ visitor, rival }, { page, step, faults }) {
      faults.expect(/net::ERR_FAILED .*\/live\)$/);
      await page.routeWebSocket(/\/live$/, (socket) => socket.close());
      await page.route('**/live', (route) => route.abort());
      const unchanged = page.waitForResponse((response) => response.url().endsWith('/seats') && response.status() === 304);
      const person = visitor(page);
      const chooser = new Chooser(person);
      await step('sees the map by polls, and asks for what changed only', async () => {
        await chooser.getsATurn();
        await chooser.wantsSeats();
        await unchanged;
      });
      await step('sees a chosen seat go', async () => {
        await page.locator('[role="gridcell"]').focus();
        await page.keyboard.press('Control+Home');
        await page.keyboard.press('Space');
        await chooser.hasChosen('A-1');
        await (await rival()).holds({ tier: 'stalls', seats: ['A-1'] });
        await person.reads('seat-news', /A-1 was just taken by someone else. Please choose again/);
      });
      await step('keeps its place in the list while another map comes', async () => {
        await chooser.wantsTheList();
        await page.locator('#seat-list summary', { hasText: 'Row B: 14 free' }).click();
        await page.getByRole('checkbox', { name: 'Stalls, row B, seat 5,' }).focus();
        await (await rival()).holds({ tier: 'stalls', seats: ['B-9'] });
        await page.locator('#seat-list summary', { hasText: 'Row B: 13 free' }).waitFor();
        await page.locator('#seat-list input[value="5"]:focus').waitFor();
      });
    },
  },
  {
    title: 'seats by touch',
    settings: { hasTouch: true },
    config,
    async run({ visitor }, { page, context, step }) {
      const person = visitor(page);
      const chooser = new Chooser(person);
      await page.setViewportSize({ width: 360, height: 780 });
      await step('comes closer where it presses, because seats are too small for a finger', async () => {
        await chooser.getsATurn();
        await chooser.wantsSeats();
        await page.locator('#map').scrollIntoViewIfNeeded();
        const { x, y } = await chooser.spotOf(0, 6, 12);
        await page.touchscreen.tap(x, y);
        await person.reads('seat-news', /Closer now/);
        await chooser.hasChosen();
      });
      await step('chooses by pressing again', async () => {
        const { x, y } = await chooser.spotOf(0, 6, 12);
        await page.touchscreen.tap(x, y);
        await chooser.hasChosen('A-6');
      });
      await step('spreads two fingers to come closer still, and pinches to go back', async () => {
        const width = () => page.evaluate(() => document.querySelector('.seats')?.clientWidth ?? 0);
        const before = await width();
        await moveFingers(context, page, 30, 60);
        const closer = await width();
        await moveFingers(context, page, 90, 20);
        if (closer <= before || await width() >= closer) throw new Error(`${before}, ${closer}, ${await width()} px wide`);
        await person.looks('pinched');
      });
    },
  },
  {
    title: 'fifty thousand seats',
    config: () => ({
      tiers: [{ id: 'arena', name: 'Arena', price: 9_900, rows: Array.from({ length: 125 }, (_, index) => ({ row: `R${index + 1}`, seats: 400 })) }],
      admission: OPEN_DOORS,
    }),
    async run({ visitor, rival }, { page, step }) {
      const person = visitor(page);
      const chooser = new Chooser(person);
      await step(`are drawn with fewer than ${ELEMENTS_MAX} elements`, async () => {
        await chooser.getsATurn();
        await chooser.wantsSeats();
        const elements = await page.locator('.seats *').count();
        if (elements > ELEMENTS_MAX) throw new Error(`${elements} elements`);
        await person.seesItAccessible('choose', 'far');
      });
      await step('can be walked through and chosen', async () => {
        await page.locator('[role="gridcell"]').focus();
        for (const key of ['PageDown', 'Home', 'ArrowRight', 'Space']) await page.keyboard.press(key);
        await chooser.hasChosen('R11-2');
        await person.seesItAccessible('choose', 'close');
      });
      await step('follow what others take', async () => {
        await (await rival()).holds({ tier: 'arena', seats: ['R11-2'] });
        await person.reads('seat-news', /R11-2 was just taken/);
      });
    },
  },
  {
    title: 'side by side',
    config: () => ({ tiers: [{ id: 'stalls', name: 'Stalls', price: 8_000, rows: rowsOf('AB', 3) }], per_buyer_limit: 4, admission: OPEN_DOORS }),
    async run({ visitor, rival }, { page, step, faults }) {
      faults.expect(/status of 409 .*\/holds\)$/);
      const person = visitor(page);
      const chooser = new Chooser(person);
      await step('asks for three, and may say that they need not be together', async () => {
        await chooser.getsATurn();
        await chooser.wants('stalls', 1);
        await page.locator('#together-asked').waitFor({ state: 'hidden' });
        await chooser.wants('stalls', 3);
        await page.getByRole('checkbox', { name: 'Side by side' }).waitFor();
        await person.seesItAccessible('choose', 'together');
      });
      await step('is offered them apart when no row has three side by side', async () => {
        await (await rival()).holds({ tier: 'stalls', seats: ['A-2', 'B-3'] });
        await chooser.triesToHold();
        await person.reads('offers', /No row has so many seats side by side any more/);
        await person.seesItAccessible('choose', 'apart');
      });
      await step('takes them apart', async () => {
        await page.getByRole('button', { name: /Take the best seats, though apart/ }).click();
        await page.locator('#held').filter({ hasText: '3 × Stalls: A-1, A-3, B-' }).waitFor();
      });
    },
  },
];

/** A seat that was given back is free on the map, in time. @param {import('playwright-core').Page} page @param {Chooser} chooser @param {[number, number, number]} where @param {string} name */
async function freeAgain(page, chooser, where, name) {
  for (const until = Date.now() + SEEN_WITHIN_MS; ;) {
    await chooser.presses(...where);
    if (await page.locator('#chosen strong', { hasText: name }).count() === 1) return;
    if (Date.now() > until) throw new Error(`${name} is not free: ${await page.locator('#seat-news').textContent()}`);
    await page.waitForTimeout(200);
  }
}

/** @param {import('playwright-core').Page} page @param {() => boolean} isThere */
async function tabTo(page, isThere) {
  for (let presses = 0; presses < 40; presses += 1) {
    if (await page.evaluate(isThere)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error('no way there by Tab');
}

/** @param {import('playwright-core').Page} page */
async function mustNotScrollSideways(page) {
  const { wide, seen } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, seen: document.documentElement.clientWidth }));
  if (wide > seen) throw new Error(`${wide} px wide on a screen of ${seen}`);
}

/** Two fingers on the map, so far from its middle, then so far. @param {import('playwright-core').BrowserContext} context @param {import('playwright-core').Page} page @param {number} from @param {number} to */
async function moveFingers(context, page, from, to) {
  const { x, y, width, height } = await page.locator('#map').boundingBox() ?? { x: 0, y: 0, width: 0, height: 0 };
  const devices = await context.newCDPSession(page);
  const fingers = (/** @type {number} */ apart) => [-apart, apart].map((dx, id) => ({ x: x + width / 2 + dx, y: y + height / 2, id }));
  await devices.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: fingers(from) });
  for (let share = 0; share <= 1; share += 0.125) {
    await devices.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: fingers(from + (to - from) * share) });
  }
  await devices.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
}
