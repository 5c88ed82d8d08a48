/** Losing what was held: why, that nothing was charged, and how to get it again. */

import { Chooser, HALL, OPEN_DOORS } from '../chooser.mjs';

const HOLD_S = 5;
/** Time to run out, and for the sweep. */
const LOST_WITHIN_MS = 20_000;
const hold = { checkout_window_s: HOLD_S, min_ttl_s: HOLD_S, max_ttl_s: HOLD_S, extensions_max: 0 };
const SEATS = /2 × Stalls: A-5, A-6/;
const config = () => ({ tiers: HALL, per_buyer_limit: 4, admission: OPEN_DOORS, hold });

/** @param {Chooser} chooser */
async function holdsTwoSeats(chooser) {
  await chooser.getsATurn();
  await chooser.wantsSeats();
  await chooser.presses(0, 5, 12);
  await chooser.presses(0, 6, 12);
  await chooser.holds(SEATS);
}

/** @type {import('../room.mjs').Stay[]} */
export const LOSING = [
  {
    title: 'seats that ran out',
    config,
    async run({ visitor }, { page, step }) {
      const person = visitor(page);
      const chooser = new Chooser(person);
      await page.setViewportSize({ width: 1280, height: 900 });
      await step('holds two seats', () => holdsTwoSeats(chooser));
      await step('is told that they are lost, why, and that nothing was charged', async () => {
        await person.sees('choose', LOST_WITHIN_MS);
        await person.reads('loss', /time for these tickets ran out.*Nothing was charged.*2 × Stalls: A-5, A-6.*The same is chosen below/);
        await person.seesItAccessible('choose', 'lost');
      });
      await step('finds them chosen still, and holds them again', async () => {
        await chooser.hasChosen('A-5', 'A-6');
        await chooser.holds(SEATS);
        if (await page.locator('#loss').textContent() !== '') throw new Error('the loss is still told');
      });
    },
  },
  {
    title: 'seats that ran out while the page was closed',
    config,
    async run({ visitor }, { page, step }) {
      const person = visitor(page);
      const chooser = new Chooser(person);
      await page.setViewportSize({ width: 1280, height: 900 });
      await step('holds two seats', async () => {
        await holdsTwoSeats(chooser);
        await page.goto('about:blank');
        await page.waitForTimeout(1_000 * HOLD_S);
      });
      await step('comes back to the same seats, chosen by name', async () => {
        await person.opens();
        await person.sees('choose', LOST_WITHIN_MS);
        await person.reads('loss', /ran out.*2 × Stalls: A-5, A-6.*The same is chosen below/);
        await page.locator('.seats').waitFor();
        await chooser.hasChosen('A-5', 'A-6');
        await chooser.holds(SEATS);
      });
    },
  },
  {
    title: 'tickets that ran out while the page was closed',
    config,
    async run({ visitor }, { page, step }) {
      const person = visitor(page);
      const chooser = new Chooser(person);
      await step('holds the best two', async () => {
        await chooser.getsATurn();
        await chooser.wants('stalls', 2);
        await chooser.holds(/2 × Stalls: /);
        await page.goto('about:blank');
        await page.waitForTimeout(1_000 * HOLD_S);
      });
      await step('comes back to the same choice, and is told why', async () => {
        await person.opens();
        await person.sees('choose', LOST_WITHIN_MS);
        await person.reads('loss', /ran out.*You had 2 × Stalls.*As many are chosen below/);
        if (await page.locator('#quantity-stalls').inputValue() !== '2') throw new Error('the choice is not kept');
        await chooser.holds(/2 × Stalls: /);
      });
    },
  },
];
