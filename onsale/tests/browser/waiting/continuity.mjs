/** The same place, whatever happens to the page: tabs, reloads, networks, cookies, devices. */

import { inMs } from '../organizer.mjs';

/** @typedef {import('../room.mjs').Stay} Wait */

/** @type {Wait[]} */
export const CONTINUITY = [
  {
    title: 'two tabs',
    ahead: 3,
    async run({ crowd, visitor }, { page, context, step }) {
      const first = visitor(page);
      const second = visitor(await context.newPage());
      await step('joins in both at once: one place', async () => {
        await first.opens();
        await second.opens();
        const press = () => document.getElementById('join')?.click();
        await Promise.all([first.page.evaluate(press), second.page.evaluate(press)]);
        await second.hasNumber(await first.number());
        await first.seesAhead(2);
      });
      await step('opens a third, which stands there too', async () => {
        const third = visitor(await context.newPage());
        await third.opens();
        await third.hasNumber(await first.number());
        await third.page.close();
      });
      await step('both agree when people leave', async () => {
        await crowd.oneLeavesFromTheMiddle();
        await first.seesAhead(1);
        await second.seesAhead(1);
      });
      await step('leaves in one, and the other says so', async () => {
        await second.leaves();
        await first.sees('over');
        await first.reads('over', /You left the queue/);
      });
    },
  },
  {
    title: 'two tabs, registered',
    state: 'prequeue',
    config: () => ({ prequeue_opens_at: inMs(-60_000), opens_at: inMs(600_000) }),
    async run({ visitor }, { page, context, step }) {
      const first = visitor(page);
      const second = visitor(await context.newPage());
      await step('registers in one, and is registered in the other', async () => {
        await first.opensAndJoins();
        await second.opens();
        await second.reads('prequeue', /You are registered/);
      });
      await step('takes it back in one, and the other says so', async () => {
        await second.leaves();
        await first.sees('over');
        await first.reads('over', /You left the draw/);
      });
      await step('neither is registered after a reload', async () => {
        for (const tab of [first, second]) {
          await tab.opens();
          await tab.sees('lobby');
        }
      });
    },
  },
  {
    title: 'coming back',
    ahead: 3,
    async run({ base, sale, crowd, visitor }, { page, context, step, faults }) {
      faults.expect(/net::ERR_INTERNET_DISCONNECTED/);
      const person = visitor(page);
      let number = /** @type {string | null} */ (null);
      await step('joins', async () => {
        await person.opensAndJoins();
        number = await person.number();
      });
      await step('reloads', async () => {
        await page.reload();
        await person.hasNumber(number);
      });
      await step('goes elsewhere and back', async () => {
        await page.goto(base);
        await page.goBack({ waitUntil: 'commit' });
        await person.hasNumber(number);
        await person.reads('queue', /Live/);
      });
      await step('loses the network and finds it again', async () => {
        await context.setOffline(true);
        await person.reads('queue', /Reconnecting/);
        await context.setOffline(false);
        await person.reads('queue', /Live/);
        await person.hasNumber(number);
      });
      await step('sleeps while somebody leaves, and wakes up', async () => {
        const session = await context.newCDPSession(page);
        await session.send('Page.setWebLifecycleState', { state: 'frozen' });
        await crowd.oneLeavesFromTheMiddle();
        await session.send('Page.setWebLifecycleState', { state: 'active' });
        await person.seesAhead(1);
        await person.hasNumber(number);
      });
      await step('closes the tab and opens the page again', async () => {
        const again = visitor(await context.newPage());
        await page.close();
        await again.opens();
        await again.hasNumber(number);
      });
      await step('loses the storage and the cookie of the place, and joins again', async () => {
        const again = visitor(context.pages()[0]);
        await again.page.evaluate(() => localStorage.clear());
        await context.clearCookies({ name: new RegExp(`place_${sale.id.replace('sale_', '')}`) });
        await again.opens();
        await again.joins();
        await again.hasNumber(number);
      });
    },
  },
  {
    title: 'another device',
    ahead: 3,
    async run({ visitor }, { page, context, step }) {
      const person = visitor(page);
      const browser = context.browser();
      if (!browser) throw new Error('a context without a browser');
      const elsewhere = await browser.newContext();
      try {
        const other = visitor(await elsewhere.newPage());
        await step('has an own place on the other device', () => other.opensAndJoins());
        const own = await other.number();
        let number = /** @type {string | null} */ (null);
        await step('shows a link', async () => {
          await person.opensAndJoins();
          number = await person.number();
          await page.locator('#lending summary').click();
          await person.looks('link');
        });
        await step('opens it on the other device: the same number', async () => {
          const link = await page.locator('#place-link').inputValue();
          await other.page.goto('about:blank');
          await other.page.goto(link);
          await other.hasNumber(number);
          await other.reads('lent', /another device/);
          if (new URL(other.page.url()).hash) throw new Error('the place stayed in the address bar');
        });
        await step('reloads there, and has the own place in another tab', async () => {
          await other.page.reload();
          await other.hasNumber(number);
          const tab = visitor(await elsewhere.newPage());
          await tab.opens();
          await tab.hasNumber(own);
          await tab.page.close();
        });
        await step('leaves there, and has left here', async () => {
          await other.leaves();
          await person.sees('over');
        });
      } finally {
        await elsewhere.close();
      }
    },
  },
  {
    title: 'cookies blocked',
    settings: { cookies: 'blocked' },
    ahead: 3,
    async run({ visitor }, { page, step }) {
      const person = visitor(page);
      let number = /** @type {string | null} */ (null);
      await step('is told what that means', async () => {
        await person.opens();
        await person.reads('keeping', /cookies and site data are blocked/);
      });
      await step('joins', async () => {
        await person.joins();
        number = await person.number();
        await person.looks('cookies-blocked');
      });
      await step('keeps the place over reloads', async () => {
        await page.reload();
        await person.hasNumber(number);
        await page.reload();
        await person.hasNumber(number);
      });
    },
  },
];
