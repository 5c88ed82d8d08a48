/**
 * Buys tickets as a person would, in a real browser, against a running gateway with the stand-in for Stripe.
 *
 *     node buy.mjs <page-url> <screenshot-dir>
 *
 * Prints a line for each step and `N passed, N failed`. A scenario fails at its first step that does not work, and at any
 * page error, console error or violation of the content security policy. Exits 1 when one failed, 64 on bad usage.
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { inBrowser } from './browser.mjs';
import { Buyer, CARDS } from './buyer.mjs';

const QUANTITY = 2;
const BAD_USAGE = 64;
/** One is lost, the next arrives. */
const ANSWERS_UNTIL_PAID = 2;

/**
 * @typedef {(name: string, work: () => Promise<void>) => Promise<void>} Step
 * @typedef {{title: string, colorScheme?: 'light' | 'dark',
 *            run: (buyer: Buyer, step: Step, faults: import('./browser.mjs').Faults) => Promise<void>}} Scenario
 */

/** @param {Buyer} buyer @param {Step} step */
async function getsATurn(buyer, step) {
  await step('opens the page', () => buyer.opensThePage());
  await step('joins', () => buyer.joins());
  await step('waits for the turn', () => buyer.waitsForTheTurn());
  await step(`holds ${QUANTITY} tickets`, () => buyer.holds(QUANTITY));
}

/** @type {Scenario[]} */
const SCENARIOS = [
  {
    title: 'good card',
    async run(buyer, step) {
      await getsATurn(buyer, step);
      await step('finds them held after a reload', () => buyer.findsThemHeldAfterAReload());
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
      await step('leaves', () => buyer.leaves());
    },
  },
];

/**
 * Runs a scenario; true when all of it worked.
 * @param {Scenario} scenario @param {string} url @param {string} directory
 */
async function works({ title, run, colorScheme }, url, directory) {
  const name = title.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  let shots = 0;
  const shot = (/** @type {string} */ view) => join(directory, `${name}-${String((shots += 1)).padStart(2, '0')}-${view}.png`);
  try {
    await inBrowser(async (page, faults) => {
      const buyer = new Buyer(page, { url, name, shot });
      await run(buyer, (stepName, work) => step(`${title}: ${stepName}`, page, faults, work, shot), faults);
    }, { colorScheme });
    return true;
  } catch (failure) {
    if (!(failure instanceof StepFailed)) console.log(`FAILED ${title}: ${failure}`);
    return false;
  }
}

/** A step that failed, already told. */
class StepFailed extends Error {}

/**
 * @param {string} name @param {import('playwright-core').Page} page @param {import('./browser.mjs').Faults} faults
 * @param {() => Promise<void>} work @param {(name: string) => string} shot
 */
async function step(name, page, faults, work, shot) {
  const startedAt = performance.now();
  try {
    await work();
    faults.mustBeNone();
    console.log(`ok ${name} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
  } catch (failure) {
    const file = shot('failed');
    await page.screenshot({ path: file, fullPage: true }).catch(() => {});
    console.log(`FAILED ${name} at ${page.url()}, see ${file}\n${failure instanceof Error ? failure.message : failure}`);
    throw new StepFailed(name);
  }
}

async function main() {
  const [url, directory] = process.argv.slice(2);
  if (!url || !directory) {
    console.error('usage: node buy.mjs <page-url> <screenshot-dir>');
    return BAD_USAGE;
  }
  await mkdir(directory, { recursive: true });
  let failed = 0;
  for (const scenario of SCENARIOS) failed += (await works(scenario, url, directory)) ? 0 : 1;
  console.log(`${SCENARIOS.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
