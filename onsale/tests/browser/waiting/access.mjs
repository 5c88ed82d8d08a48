/** What joining takes where the sale asks for something. */

/** Found at once. */
const EASY_BITS = 8;
/** What a device may find within seconds, with luck: as much as a sale can ask for. */
const HARD_BITS = 24;
/** What no device finds within the scenario, whatever its luck. */
const HOPELESS_BITS = 40;

/** @typedef {import('../room.mjs').Stay} Wait */

/** @type {Wait[]} */
export const ACCESS = [
  {
    title: 'proof of work',
    ahead: 0,
    config: () => ({ join: { proof_of_work_bits: EASY_BITS } }),
    async run({ visitor }, { page, step, faults }) {
      faults.expect(/status of 403 .*\/queue\)$/);
      await step('joins, and the device proves by itself', () => visitor(page).opensAndJoins());
    },
  },
  {
    title: 'proof of work, too hard',
    config: () => ({ join: { proof_of_work_bits: HARD_BITS } }),
    async run({ visitor }, { page, step, faults }) {
      faults.expect(/status of 403 .*\/queue\)$/);
      await page.route('**/queue/challenge', async (route) => {
        const answer = await route.fetch();
        const challenge = await answer.json();
        await route.fulfill({ response: answer, json: { ...challenge, bits: challenge.bits && HOPELESS_BITS } });
      });
      const person = visitor(page);
      await step('sees the progress, and gives up', async () => {
        await person.opens();
        await page.locator('#join').click();
        await page.locator('#proving').waitFor();
        await page.waitForFunction(() => /** @type {HTMLProgressElement} */ (document.querySelector('#proving-progress')).value > 0);
        await person.looks('proving');
        await page.locator('#prove-stop').click();
        await page.locator('#proving').waitFor({ state: 'hidden' });
        await person.sees('lobby');
      });
      await step('goes on with more time instead, and needs no proof', async () => {
        await page.locator('#join').click();
        await page.locator('#prove-not').click();
        await page.locator('#queue:not([hidden]), #choose:not([hidden])').waitFor();
      });
    },
  },
];
