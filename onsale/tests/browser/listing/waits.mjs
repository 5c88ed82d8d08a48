/** The way of people on the waitlist: from a sold-out sale to a ticket that was somebody else's, and out of the line. */

import { Buyer, CARDS } from '../buyer.mjs';
import { OPEN_DOORS } from '../chooser.mjs';
import { Listed } from './person.mjs';

const ONE = [{ id: 'standing', name: 'Standing', price: 4_500, capacity: 1 }];
const TWO_KINDS = [
  { id: 'stalls', name: 'Stalls', price: 8_000, rows: [{ row: 'A', seats: 2 }] },
  { id: 'standing', name: 'Standing', price: 3_000, capacity: 1 },
];
/** An offer that one leap of the clock outlives. */
const SHORT_OFFERS = { offer_ttl_s: 300, hold: { checkout_window_s: 120, min_ttl_s: 120, max_ttl_s: 120 } };

/**
 * @typedef {object} World
 * @property {import('../mailbox.mjs').Mailbox} mailbox
 * @property {() => void} leap sets the clock of orders and offers ahead, by more than the queue has to join the waitlist
 */

/** Somebody buys it all, and may give it back later. @param {import('../room.mjs').Room} room @param {Record<string, unknown>[]} items */
async function isSoldOut({ sale, organizer, rival }, ...items) {
  const other = await rival();
  await other.holds(...items);
  await other.paysWith('pm_card_visa');
  const bought = await other.hasTickets();
  await organizer.reaches(sale.id, 'sold_out');
  return () => organizer.refunds(sale.id, bought);
}

/** @param {World} world @returns {import('../room.mjs').Stay[]} */
export const waitsOf = ({ mailbox, leap }) => [
  {
    title: 'sold out in the queue',
    config: () => ({ tiers: ONE, admission: OPEN_DOORS, per_buyer_limit: 2 }),
    async run(room, { page, context, step, shot }) {
      const givesBack = await isSoldOut(room, { tier: 'standing', quantity: 1 });
      const visitor = room.visitor(page);
      const email = `queued-${room.sale.id}@example.org`;
      const queued = new Listed(visitor, mailbox, email);
      /** @type {string | null} */
      let number = null;
      await step('joins the waitlist with one press where it queues, and keeps the number', async () => {
        await visitor.opensAndJoins();
        number = await visitor.number();
        await visitor.reads('tail', /Every ticket is sold.*by your number/);
        await visitor.looks('offered-in-the-queue');
        await queued.asks('tailing');
        await visitor.reads('tail', /Confirm your place.*We sent you an e-mail/);
        const focused = await page.evaluate(() => document.activeElement?.id);
        if (focused !== 'tail-title') throw new Error(`the focus is on ${focused}`);
        await visitor.looks('asked-in-the-queue');
        await visitor.hasNumber(number);
      });
      const mailed = await context.newPage();
      const reader = new Listed(room.visitor(mailed), mailbox, email);
      await step('confirms where the mail leads, and the queue knows', async () => {
        await reader.confirms();
        await room.visitor(mailed).reads('shown', /You are first in line/);
        await visitor.reads('tail', /You are on the waitlist, too/);
        await visitor.hasNumber(number);
      });
      await step('still knows after a reload, and leads there', async () => {
        await page.reload();
        await visitor.reads('tail', /You are on the waitlist, too/);
        await page.locator('#tail-link').click();
        await queued.sees('You are on the waitlist', 'from-the-queue');
        await visitor.opens();
      });
      await step('is offered what somebody gives back, on every page', async () => {
        leap();
        await givesBack();
        await reader.isOffered();
        await visitor.reads('tail', /Tickets came back for you/);
        await visitor.looks('offer-in-the-queue');
      });
      await step('takes it', async () => {
        await mailed.getByLabel('Name').fill('Ada');
        await mailed.locator('#claim').click();
        await mailed.waitForURL('**/checkout');
        await mailed.locator('#pay:enabled').waitFor();
      });
      const buyer = new Buyer(mailed, { url: room.sale.url, name: 'listed', shot });
      await step('pays', () => buyer.pays(CARDS.good));
      await step('has the ticket', () => buyer.seesTickets(1));
    },
  },
  {
    title: 'an offer that lapses',
    settings: { colorScheme: 'dark' },
    config: () => ({ tiers: ONE, admission: OPEN_DOORS, ...SHORT_OFFERS }),
    async run(room, { page, context, step }) {
      const givesBack = await isSoldOut(room, { tier: 'standing', quantity: 1 });
      const visitor = room.visitor(page);
      const first = new Listed(visitor, mailbox, `first-${room.sale.id}@example.org`);
      const other = await context.newPage();
      const next = new Listed(room.visitor(other), mailbox, `next-${room.sale.id}@example.org`);
      await step('two join from the page of the sale, one behind the other', async () => {
        await visitor.opens();
        await visitor.looks('lobby');
        await page.locator('#waitlist-link').click();
        await page.locator('#asking').waitFor();
        await page.locator('#wished input').check();
        await visitor.looks('form');
        await first.asks('wishing');
        await first.sees('Look into your mailbox', 'unconfirmed');
        await first.confirms();
        await other.goto(`${room.sale.url}/waitlist`);
        await other.locator('#wished input').check();
        await next.asks('wishing');
        await next.sees('Look into your mailbox', 'next-unconfirmed');
        await next.confirms();
        await room.visitor(other).reads('shown', /One person is ahead of you/);
      });
      await step('the first is offered it, without asking, and the next moves up', async () => {
        await first.unanswered(async () => {
          leap();
          await givesBack();
          await first.isOffered();
        });
        await room.visitor(other).reads('shown', /You are first in line/);
      });
      await step('lets the time run out, and the next is offered it', async () => {
        leap();
        await first.sees('Your offer is over', 'lapsed');
        await next.isOffered();
      });
    },
  },
  {
    title: 'leaving the waitlist',
    config: () => ({ tiers: TWO_KINDS, admission: OPEN_DOORS, per_buyer_limit: 3 }),
    async run(room, { page, context, step }) {
      await page.setViewportSize({ width: 1280, height: 900 });
      const givesBack = await isSoldOut(room, { tier: 'stalls', quantity: 2 }, { tier: 'standing', quantity: 1 });
      const visitor = room.visitor(page);
      const first = new Listed(visitor, mailbox, `leaver-${room.sale.id}@example.org`);
      const other = await context.newPage();
      const next = new Listed(room.visitor(other), mailbox, `heir-${room.sale.id}@example.org`);
      await step('joins for seats in the queue; somebody joins elsewhere for one of two kinds', async () => {
        await visitor.opensAndJoins();
        await visitor.reads('tail', /Which tickets would do/);
        await visitor.looks('two-kinds-in-the-queue');
        await page.getByRole('checkbox', { name: 'Standing' }).uncheck();
        await page.locator('#tail-quantity').fill('2');
        await first.asks('tailing');
        await first.confirms();
        await next.asksElsewhere(room.base, room.sale.id, { tiers: ['standing', 'stalls'], quantity: 1 });
        await other.goto(`${room.sale.url}/waitlist`);
        await other.locator('#asking').waitFor();
        await room.visitor(other).looks('two-kinds');
        await next.confirms();
      });
      await step('is offered seats, and gives them back', async () => {
        leap();
        await givesBack();
        await first.isOffered();
        await visitor.reads('shown', /2 × Stalls \(A-1, A-2\)/);
        await first.leaves();
        await first.sees('You gave your offer back', 'given-back');
      });
      await step('whoever is next is offered one, and gives it back, too', async () => {
        await next.isOffered();
        await next.leaves();
        await next.sees('You gave your offer back', 'next-given-back');
      });
    },
  },
];
