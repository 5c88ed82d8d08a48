/** The waiting room without JavaScript, and without cookies as well. */

import { Visitor } from '../visitor.mjs';

/** The page asks for itself again every few seconds. */
const REFRESHED_WITHIN_MS = 10_000;

/** @typedef {import('../room.mjs').Stay} Wait */

/** @type {Wait[]} */
export const PLAIN = [
  {
    title: 'no JavaScript',
    settings: { javaScriptEnabled: false },
    ahead: 3,
    async run({ sale, crowd }, { page, step }) {
      await step('is led to the plain page', async () => {
        await page.goto(sale.url);
        await page.locator('noscript a').click();
        await page.waitForURL(/\/plain$/);
      });
      await step('joins', async () => {
        await page.getByRole('button', { name: /join/i }).click();
        await page.getByText('You are in the queue').waitFor();
        await page.locator('.figure', { hasText: '2' }).waitFor();
      });
      await step('sees the page refresh itself', async () => {
        await crowd.oneLeavesFromTheMiddle();
        await page.locator('.figure', { hasText: '1' }).waitFor({ timeout: REFRESHED_WITHIN_MS });
      });
      await step('leaves', async () => {
        await page.getByRole('button', { name: 'Leave the queue' }).click();
        await page.getByRole('button', { name: /join/i }).waitFor();
      });
    },
  },
  {
    title: 'plain page',
    ahead: 3,
    async run({ sale }, { page, step, shot }) {
      const person = new Visitor(page, sale.url, shot);
      await step('looks well before joining', async () => {
        await page.goto(`${sale.url}/plain?refresh=off`);
        await person.looks('plain');
      });
      await step('looks well in the queue', async () => {
        await page.getByRole('button', { name: /join/i }).click();
        await page.getByText('You are in the queue').waitFor();
        await page.goto(`${sale.url}/plain?refresh=off`);
        await person.looks('plain-queue');
      });
      await step('has the same place on the usual page', async () => {
        await person.opens();
        await person.joins();
        await person.seesAhead(2);
      });
    },
  },
  {
    title: 'plain page without cookies',
    settings: { cookies: 'blocked', javaScriptEnabled: false },
    async run({ sale }, { page, step }) {
      await step('is told what a place needs, and gets none', async () => {
        await page.goto(`${sale.url}/plain`);
        await page.getByRole('button', { name: /join/i }).click();
        await page.locator('.problem', { hasText: /cookie/i }).waitFor();
        await page.getByRole('button', { name: /join/i }).waitFor();
      });
    },
  },
];
