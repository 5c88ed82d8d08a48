/** Before the opening and at it: the prequeue, the draw, the proof. */

import { readFile } from 'node:fs/promises';

import { inMs } from '../organizer.mjs';

const OPENS_IN_MS = 30_000;
/** When those with a code may register. */
const MEMBERS_IN_MS = 12_000;
/** Doors open when a clock says so and some seconds later on the page; on a busy machine later still. */
const OPENED_WITHIN_MS = 45_000;
/** Freezing, waiting for the beacon and telling takes some seconds too. */
const DRAWN_WITHIN_MS = 45_000;
const MORE_PEOPLE = 5;

/** @typedef {import('../room.mjs').Stay} Wait */

/** @type {Wait[]} */
export const DRAW = [
  {
    title: 'the draw',
    state: 'prequeue',
    config: () => ({
      prequeue_opens_at: inMs(-60_000), opens_at: inMs(OPENS_IN_MS),
    }),
    async run({ base, sale, organizer, crowd, visitor }, { page, step }) {
      const person = visitor(page);
      await step('sees the countdown and how the draw works', async () => {
        await person.opens();
        await page.locator('#fairness summary').click();
        await person.reads('draw', /Fingerprint of the secret.*[0-9a-f]{64}/);
        await person.seesItAccessible('lobby', 'registration-open');
      });
      await step('registers', async () => {
        await person.joins();
        await person.seesItAccessible('prequeue', 'registered');
        await person.reads('prequeue', /You are registered/);
        await person.reads('leave', /^Leave the draw$/);
        await crowd.joins(MORE_PEOPLE);
      });
      await step('is told of a pause', async () => {
        await organizer.pauses(sale.id);
        await person.reads('pause', /Paused by the organizer/);
      });
      await step('is registered after a reload', async () => {
        await page.reload();
        await person.reads('prequeue', /You are registered/);
      });
      await step('is drawn', async () => {
        await person.sees('queue', OPENS_IN_MS + DRAWN_WITHIN_MS);
        await person.number();
        await person.reads('leave', /^Leave the queue$/);
      });
      await step('has the proof, which leads to the published root', async () => {
        await page.locator('#fairness summary').click();
        await person.reads('fairness', /How the order was drawn.*The secret/);
        await person.looks('drawn');
        const saving = page.waitForEvent('download');
        await page.locator('#proof').click();
        const proof = JSON.parse(await readFile(await (await saving).path(), 'utf8'));
        const file = await (await fetch(`${base}/v1/sales/${sale.id}/fairness`)).json();
        if (proof.root !== file.draws[0].root) throw new Error('the proof leads elsewhere');
        if (String(proof.number) !== (await person.number())?.replace(/\D/g, '')) throw new Error('the proof is about another number');
      });
    },
  },
  {
    title: 'registration by code',
    state: 'scheduled',
    config: () => ({
      phases: [
        { id: 'members', prequeue_opens_at: inMs(MEMBERS_IN_MS), opens_at: inMs(600_000), access: 'code' },
      ],
      opens_at: inMs(600_000),
    }),
    async run({ sale, organizer, visitor }, { page, step, faults }) {
      faults.expect(/status of 403 .*\/queue\)$/);
      const person = visitor(page);
      await organizer.handsOut(sale.id, 'members', 'OPERA-2030');
      await step('sees when registration opens', async () => {
        await person.opens();
        await person.reads('opening', /Registration opens in/);
        await person.seesItAccessible('lobby', 'scheduled');
      });
      await step('is asked for a code as soon as it opens', async () => {
        await page.locator('#code').waitFor({ timeout: MEMBERS_IN_MS + OPENED_WITHIN_MS });
        await person.looks('code');
      });
      await step('is refused with another code', async () => {
        await page.locator('#code').fill('WRONG-CODE');
        await page.locator('#join').click();
        await page.waitForFunction(() => document.querySelector('#code:invalid') !== null);
      });
      await step('registers with the code, typed as people type', async () => {
        await page.locator('#code').fill('opera 2030');
        await person.joins();
        await person.sees('prequeue');
      });
    },
  },
];
