/** What a person is told, and how: turns, warnings, pauses, notices; by eye, by ear and by keyboard. */

/** How long the chatter of the page is listened to. */
const LISTENED_MS = 32_000;
/** Far back, a number changes about this often. */
const LEAVES_EVERY_MS = 800;
/** One at once, one after 30 s. */
const SAID_MAX = 2;

/** @typedef {import('../room.mjs').Stay} Wait */

/** @type {Wait[]} */
export const TELLING = [
  {
    title: 'chatter',
    ahead: 160,
    settings: { reducedMotion: 'reduce' },
    async run({ crowd, visitor }, { page, step }) {
      const person = visitor(page);
      await step(`says little in ${LISTENED_MS / 1000} s, though the number falls each second`, async () => {
        await person.opens();
        const said = await person.listens();
        await person.joins();
        await person.seesAhead(159);
        const leaving = setInterval(() => crowd.oneLeavesFromTheMiddle(), LEAVES_EVERY_MS);
        await page.waitForTimeout(LISTENED_MS);
        clearInterval(leaving);
        const ahead = Number(await page.locator('#queue [data-slot="ahead"]').textContent());
        if (ahead > 140) throw new Error(`the number did not fall: ${ahead}`);
        const heard = await said();
        if (heard.length === 0 || heard.length > SAID_MAX) throw new Error(`said ${heard.length} times:\n${heard.join('\n')}`);
      });
    },
  },
  {
    title: 'a number that rises',
    ahead: 3,
    async run({ crowd, visitor }, { page, step }) {
      const person = visitor(page);
      await step('is ahead of who fell silent', async () => {
        await person.opensAndJoins();
        await person.seesAhead(2);
        await person.reads('odds', /will probably be left/);
        crowd.oneFallsSilent();
        await person.seesAhead(1);
      });
      await step('reads why the number rises when they come back', async () => {
        await crowd.theyComeBack();
        await person.seesAhead(2);
        await person.reads('queue', /A person with a lower number came back/);
      });
    },
  },
  {
    title: 'hidden tab',
    ahead: 3,
    config: () => ({ admission: { rate_per_s: 50, burst: 50, max_shoppers: 1, claim_window_s: 26 } }),
    async run({ crowd, visitor }, { page, context, step }) {
      const person = visitor(page);
      await step('joins, and switches the sound on', async () => {
        await person.opensAndJoins();
        await page.locator('#sound').click();
        await page.locator('#sound[aria-pressed="true"]').waitFor();
      });
      await step('looks at another tab', async () => {
        await context.newPage();
        await isLookedAt(page, 'hidden');
      });
      await step('the turn comes: the title and the icon of the hidden tab say so', async () => {
        await crowd.disperses();
        await person.seesTitle('Your turn!');
        await page.waitForFunction(() => document.querySelector('#icon')?.getAttribute('href')?.includes('turn'), null, { polling: 100 });
        if (await page.evaluate(() => document.visibilityState) !== 'hidden') throw new Error('the tab was not hidden');
      });
      await step('comes back: the turn is there, said aloud, with the focus on it', async () => {
        await page.bringToFront();
        await isLookedAt(page, 'visible');
        await person.reads('turn', /It is your turn! You have \d+ seconds/);
        await person.seesItAccessible('choose', 'turn');
        const focused = await page.evaluate(() => document.activeElement?.textContent);
        if (focused !== 'Choose your tickets') throw new Error(`the focus is on ${focused}`);
      });
      await step('is warned 20 s before it ends', () => person.reads('problem', /20 seconds left to choose/));
      await step('can still use it', async () => {
        await page.locator('#choices select').first().selectOption('1');
        await page.locator('#take').click();
        await page.locator('#details').waitFor();
      });
    },
  },
  {
    title: 'paused with a notice',
    ahead: 3,
    settings: { colorScheme: 'dark' },
    async run({ sale, organizer, visitor }, { page, step }) {
      const person = visitor(page);
      await step('joins', () => person.opensAndJoins());
      await step('reads what the organizer says', async () => {
        await organizer.says(sale.id, 'The doors open half an hour later, at 19:30. Nothing changes for the sale.');
        await person.reads('announcement', /From the organizer.*half an hour later/);
      });
      await step('reads what a pause means, and keeps the number', async () => {
        const number = await person.number();
        await organizer.pauses(sale.id);
        await person.reads('pause', /Paused by the organizer.*keep your place.*clocks stand still/);
        await person.hasNumber(number);
        await person.seesTitle('Paused');
        await person.seesItAccessible('queue', 'paused');
      });
      await step('goes on by itself', async () => {
        await organizer.resumes(sale.id);
        await page.locator('#pause:empty').waitFor({ state: 'attached' });
        await person.seesAhead(2);
      });
    },
  },
  {
    title: 'paused in the turn',
    config: () => ({ admission: { rate_per_s: 50, burst: 50, max_shoppers: 5, claim_window_s: 60 } }),
    async run({ sale, organizer, visitor }, { page, step }) {
      const person = visitor(page);
      const clock = page.locator('[data-slot="turn-clock"]');
      await step('has a turn', async () => {
        await person.opensAndJoins();
        await person.sees('choose');
      });
      await step('its clock stands still while the sale is paused', async () => {
        await organizer.pauses(sale.id);
        await person.reads('choose', /The clock stands still/);
        const before = await clock.textContent();
        await page.waitForTimeout(2_500);
        const after = await clock.textContent();
        if (before !== after) throw new Error(`the clock went from ${before} to ${after}`);
        await person.looks('turn-paused');
      });
      await step('and goes on with what was left', async () => {
        const before = await clock.textContent();
        await organizer.resumes(sale.id);
        await person.reads('choose', /Choose your tickets within/);
        const lost = seconds(before) - seconds(await clock.textContent());
        if (lost > 2) throw new Error(`${lost} s were lost`);
      });
    },
  },
  {
    title: 'place over',
    config: () => ({
      admission: { rate_per_s: 50, burst: 50, max_shoppers: 5, session_s: 2 },
      hold: { checkout_window_s: 3, min_ttl_s: 3, max_ttl_s: 3 },
    }),
    async run({ visitor }, { page, step }) {
      const person = visitor(page);
      await step('has a turn, takes a ticket and lets the time run out', async () => {
        await person.opensAndJoins();
        await person.sees('choose');
        await page.locator('#take').click();
        await page.locator('#details').waitFor();
      });
      await step('is told that the time is over, why, and what next', async () => {
        await person.seesItAccessible('over', 'expired');
        await person.reads('over', /Your place has ended.*can join again/);
      });
    },
  },
  {
    title: 'keyboard only',
    ahead: 3,
    async run({ visitor }, { page, step }) {
      const person = visitor(page);
      const goesTo = async (/** @type {string} */ id) => {
        for (let presses = 0; presses < 40; presses += 1) {
          if (await page.evaluate(() => document.activeElement?.id) === id) return;
          await page.keyboard.press('Tab');
        }
        throw new Error(`no way to #${id} by Tab`);
      };
      const focused = () => page.evaluate(() => document.activeElement?.textContent);
      await step('asks for more time and joins', async () => {
        await person.opens();
        await goesTo('more-time');
        await page.keyboard.press('Space');
        await goesTo('join');
        await page.keyboard.press('Enter');
        await person.seesItAccessible('queue', 'waiting');
        if (await focused() !== 'You are in the queue') throw new Error(`the focus is on ${await focused()}`);
      });
      await step('asks to leave, and stays after all', async () => {
        await goesTo('leave');
        await page.keyboard.press('Enter');
        await page.locator('#leaving').waitFor();
        await person.looks('leaving');
        await hearsClosed(page, '#leaving', () => page.keyboard.press('Escape'));
        await page.locator('#leaving').waitFor({ state: 'hidden' });
        await person.sees('queue');
      });
      await step('leaves', async () => {
        await goesTo('leave');
        await page.keyboard.press('Enter');
        await page.locator('#leaving').waitFor();
        await page.keyboard.press('Tab');
        await page.keyboard.press('Enter');
        await person.seesItAccessible('over', 'left');
        if (await focused() !== 'You left the queue') throw new Error(`the focus is on ${await focused()}`);
      });
    },
  },
];

/**
 * Closes a dialog, and comes back when the page heard so: what asked takes no press before, a moment longer than the dialog is
 * on screen. Nobody is that quick, but a script is.
 * @param {import('playwright-core').Page} page @param {string} dialog @param {() => Promise<void>} close
 */
async function hearsClosed(page, dialog, close) {
  await page.evaluate((selector) => {
    const dialogClosed = new Promise((heard) => { document.querySelector(selector)?.addEventListener('close', heard, { once: true }); });
    Object.assign(globalThis, { dialogClosed });
  }, dialog);
  await close();
  // @ts-ignore: put there above; an event does not cross over
  await page.evaluate(() => globalThis.dialogClosed.then(() => {}));
}

/** @param {string | null} face minutes and seconds */
const seconds = (face) => (face ?? '').split(':').reduce((sum, part) => 60 * sum + Number(part), 0);

/**
 * Tells a page whether it is looked at: headless Chromium never hides a tab, so this says what a browser would say.
 * @param {import('playwright-core').Page} page @param {DocumentVisibilityState} state
 */
async function isLookedAt(page, state) {
  await page.evaluate((visibilityState) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => visibilityState });
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => visibilityState === 'hidden' });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  }, state);
}
