/**
 * Buys tickets as a person would, in a real browser, against a running gateway with the stand-in for Stripe.
 *
 *     node buy.mjs <page-url> <screenshot-dir>
 *
 * Prints a line for each step and `N passed, N failed`. Exits 1 when one failed, 64 on bad usage.
 */

import { Buyer, CARDS } from './buyer.mjs';
import { Rival } from './rival.mjs';
import { argumentsNamed, runAll } from './scenario.mjs';

const QUANTITY = 2;
/** Of the sale that the demo makes. */
const PER_BUYER_LIMIT = 4;
/** One card, whoever pays with it. */
const SHARED_CARD = 'pm_card_visa_of_ada';
/** One is lost, the next arrives. */
const ANSWERS_UNTIL_PAID = 2;

/**
 * @typedef {import('./scenario.mjs').Step} Step
 * @typedef {{title: string, colorScheme?: 'light' | 'dark',
 *            run: (buyer: Buyer, step: Step, faults: import('./browser.mjs').Faults) => Promise<void>}} Purchase
 */

/** @param {Buyer} buyer @param {Step} step */
async function getsATurn(buyer, step) {
  await step('opens the page', () => buyer.opensThePage());
  await step('joins', () => buyer.joins());
  await step('waits for the turn', () => buyer.waitsForTheTurn());
  await step(`holds ${QUANTITY} tickets`, () => buyer.holds(QUANTITY));
}

/** @type {Purchase[]} */
const PURCHASES = [
  {
    title: 'good card',
    async run(buyer, step) {
      await getsATurn(buyer, step);
      await step('finds them held after a reload', () => buyer.findsThemHeldAfterAReload());
      await step('asks for more time', () => buyer.asksForMoreTime());
      await step('fills in name and e-mail', () => buyer.fillsIn());
      await step('finds the checkout after a reload', () => buyer.findsTheCheckoutAfterAReload());
      await step('comes back from the sale page', () => buyer.comesBackFromTheSalePage());
      await step('pays, pressing twice', () => buyer.pays(CARDS.good));
      await step(`sees ${QUANTITY} tickets`, () => buyer.seesTickets(QUANTITY));
      await step('opens the link from the mail', () => buyer.opensTheLinkFromTheMail());
    },
  },
  {
    title: '3-D Secure',
    colorScheme: 'dark',
    async run(buyer, step) {
      await getsATurn(buyer, step);
      await step('fills in name and e-mail', () => buyer.fillsIn());
      await step('pays', () => buyer.pays(CARDS.asksBank));
      await step('convinces the bank', () => buyer.convincesTheBank());
      await step(`sees ${QUANTITY} tickets`, () => buyer.seesTickets(QUANTITY));
    },
  },
  {
    title: 'declined card',
    async run(buyer, step, faults) {
      faults.expect(/status of 402 .*\/pay\)$/);
      await getsATurn(buyer, step);
      await step('fills in name and e-mail', () => buyer.fillsIn());
      await step('pays with a bad card', () => buyer.pays(CARDS.declined));
      await step('is told it was declined', () => buyer.isDeclined());
      await step('pays with a good card', () => buyer.pays(CARDS.good));
      await step(`sees ${QUANTITY} tickets`, () => buyer.seesTickets(QUANTITY));
    },
  },
  {
    title: 'a bank that says no',
    async run(buyer, step) {
      await getsATurn(buyer, step);
      await step('fills in name and e-mail', () => buyer.fillsIn());
      await step('pays', () => buyer.pays(CARDS.asksBank));
      await step('looks at the order instead', () => buyer.readsOnTheOrderPage('Your bank wants a word', 'at-the-bank'));
      await step('goes on with the payment', () => buyer.goesOnToPay('Go on'));
      await step('is asked for no card', () => buyer.isAskedForNoCard('going-on'));
      await step('goes on', () => buyer.goesOnWithThePayment());
      await step('does not convince the bank', () => buyer.doesNotConvinceTheBank());
      await step('reads why', () => buyer.readsOnTheOrderPage('did not approve', 'not-approved'));
      await step('tries again', () => buyer.goesOnToPay('Try again'));
      await step('pays with a good card', () => buyer.pays(CARDS.good));
      await step(`sees ${QUANTITY} tickets`, () => buyer.seesTickets(QUANTITY));
    },
  },
  {
    title: 'a no said in another tab',
    async run(buyer, step, faults) {
      faults.expect(/net::ERR_FAILED/);
      await getsATurn(buyer, step);
      await step('fills in name and e-mail', () => buyer.fillsIn());
      await step('pays', () => buyer.pays(CARDS.asksBank));
      await step('loads the page anew, and is asked for no card', () => buyer.losesTheTabAndIsAskedForNoCard('going-on'));
      await step('goes on while another tab says no, and is asked for a card', () => buyer.goesOnWhileAnotherTabSaysNo());
      await step('pays with a good card', () => buyer.pays(CARDS.good));
      await step(`sees ${QUANTITY} tickets`, () => buyer.seesTickets(QUANTITY));
    },
  },
  {
    title: 'a tab discarded in 3-D Secure',
    colorScheme: 'dark',
    async run(buyer, step, faults) {
      faults.expect(/net::ERR_FAILED/);
      await getsATurn(buyer, step);
      await step('fills in name and e-mail', () => buyer.fillsIn());
      await step('pays', () => buyer.pays(CARDS.asksBank));
      await step('loses the tab, and is asked for no card', () => buyer.losesTheTabAndIsAskedForNoCard('going-on'));
      await step('goes on without an answer, and reads that nobody knows', () => buyer.goesOnUntilNobodyKnows());
      await step('goes on without the script of the provider', () => buyer.isToldOfTheProviderOnlyWhenTheBankAsks());
      await step('goes on', () => buyer.goesOnWithThePayment());
      await step('convinces the bank', () => buyer.convincesTheBank());
      await step(`sees ${QUANTITY} tickets`, () => buyer.seesTickets(QUANTITY));
    },
  },
  {
    title: 'a card that has its limit',
    async run(buyer, step, faults) {
      faults.expect(/status of 409 .*\/pay\)$/);
      await step('somebody pays for three with the same card', async () => {
        const rival = await Rival.enters(new URL(url).origin, new URL(url).pathname.split('/').at(-1) ?? '');
        await rival.holds({ tier: 'standing', quantity: PER_BUYER_LIMIT - 1 });
        await rival.paysWith(SHARED_CARD);
      });
      await buyer.hasTheCard(SHARED_CARD);
      await getsATurn(buyer, step);
      await step('fills in name and e-mail', () => buyer.fillsIn());
      await step('pays', () => buyer.pays(CARDS.good));
      await step('reads that the card has its limit', () => buyer.hasReachedTheCardsLimit());
      await step('reads it on the order page, too', () => buyer.readsOnTheOrderPage('This card has reached its limit', 'card-limit-order'));
    },
  },
  {
    title: 'lost answers',
    async run(buyer, step, faults) {
      faults.expect(/net::ERR_FAILED/);
      await buyer.losesTheFirstAnswersTo(['holds', 'orders', 'pay']);
      await getsATurn(buyer, step);
      await step('fills in name and e-mail', () => buyer.fillsIn());
      await step('pays', () => buyer.pays(CARDS.good, ANSWERS_UNTIL_PAID));
      await step('lost an answer of each kind', () => buyer.lostThemAll());
      await step(`sees ${QUANTITY} tickets`, () => buyer.seesTickets(QUANTITY));
    },
  },
  {
    title: 'no sockets',
    colorScheme: 'dark',
    async run(buyer, step) {
      await buyer.hasNoSockets();
      await getsATurn(buyer, step);
      await step('gives them back', () => buyer.givesThemBack());
      await step('holds one by a slow double press', () => buyer.holdsByASlowDoublePress());
      await step('gives it back', () => buyer.givesThemBack());
      await step('leaves', () => buyer.leaves());
    },
  },
];

const [url, directory] = argumentsNamed('page-url', 'screenshot-dir');
const scenarios = PURCHASES.map(({ title, colorScheme, run }) => ({
  title,
  settings: { colorScheme },
  run: (/** @type {import('./scenario.mjs').Stage} */ { page, faults, step, shot, name }) =>
    run(new Buyer(page, { url, name, shot }), step, faults),
}));
process.exitCode = (await runAll(scenarios, directory)) === 0 ? 0 : 1;
