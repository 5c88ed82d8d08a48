/** What there is when there is not enough: everything in baskets, a seat that somebody else was faster at. */

import { Chooser, HALL, OPEN_DOORS } from '../chooser.mjs';

const FEW = [{ id: 'standing', name: 'Standing', price: 3_000, capacity: 2 }];

/** @type {import('../room.mjs').Stay[]} */
export const SCARCITY = [
  {
    title: 'all in baskets',
    config: () => ({ tiers: FEW, admission: { ...OPEN_DOORS, overbook: 2 } }),
    async run({ visitor, rival }, { page, step, faults }) {
      faults.expect(/status of 409 .*\/holds\)$/);
      const person = visitor(page);
      const chooser = new Chooser(person);
      await step('has a turn', () => chooser.getsATurn());
      const other = await rival();
      await step('is not sent away when somebody has them all, but told that some come back', async () => {
        await other.holds({ tier: 'standing', quantity: 2 });
        await person.reads('restock', /someone’s basket right now.*Stay here/);
        if (await page.locator('#take').isEnabled()) throw new Error('there is nothing to hold');
        await person.seesItAccessible('choose', 'all-held');
      });
      await step('is told when they are free again, and can hold one', async () => {
        await other.givesThemBack();
        await person.reads('restock', /Free again: 2 × Standing/);
        await person.seesItAccessible('choose', 'free-again');
        await chooser.wants('standing', 1);
        await chooser.holds(/1 × Standing/);
      });
    },
  },
  {
    title: 'fewer free than wished for',
    config: () => ({ tiers: FEW, admission: { ...OPEN_DOORS, overbook: 2 } }),
    async run({ visitor, rival }, { page, step, faults }) {
      faults.expect(/status of 409 .*\/holds\)$/);
      const person = visitor(page);
      const chooser = new Chooser(person);
      await step('has a turn, and wishes for two', async () => {
        await chooser.getsATurn();
        await chooser.wants('standing', 2);
      });
      const other = await rival();
      await step('is told that one is free, and waits for both', async () => {
        await other.holds({ tier: 'standing', quantity: 1 });
        await chooser.triesToHold();
        await person.reads('restock', /Free right now: 1 × Standing\. You chose 2 × Standing\. Choose fewer/);
        if (await page.locator('#take').isEnabled()) throw new Error('there are not two to hold');
        await person.seesItAccessible('choose', 'fewer-free');
      });
      await step('is told when both are free, and holds them', async () => {
        await other.givesThemBack();
        await person.reads('restock', /Free again: 2 × Standing/);
        await chooser.holds(/2 × Standing/);
      });
    },
  },
  {
    title: 'more wished for than there is',
    config: () => ({ tiers: FEW, admission: OPEN_DOORS }),
    async run({ visitor }, { page, step, faults }) {
      faults.expect(/status of 409 .*\/holds\)$/);
      const person = visitor(page);
      const chooser = new Chooser(person);
      await step('is told that fewer are left, and offered those', async () => {
        await chooser.getsATurn();
        await chooser.wants('standing', 3);
        await chooser.triesToHold();
        await person.reads('offers', /Fewer of these tickets are left than you chose\. You could have instead:/);
        await person.seesItAccessible('choose', 'too-few-left');
      });
      await step('takes what is left', async () => {
        await page.locator('#offers button').filter({ hasText: /^2 × Standing$/ }).click();
        await chooser.holds(/2 × Standing/);
      });
    },
  },
  {
    title: 'a moment too late',
    settings: { colorScheme: 'dark' },
    config: () => ({ tiers: HALL, per_buyer_limit: 4, admission: OPEN_DOORS }),
    async run({ visitor, rival }, { page, step, faults }) {
      faults.expect(/status of 409 .*\/holds\)$/);
      // A network that holds back what is said of seats: the press meets what this page has not heard yet.
      let isSlow = false;
      await page.route('**/seats', (route) => (isSlow ? route.fulfill({ status: 304 }) : route.continue()));
      await page.routeWebSocket(/\/live$/, (socket) => {
        const server = socket.connectToServer();
        server.onMessage((message) => {
          if (!isSlow || !String(message).includes('"type":"seats"')) socket.send(message);
        });
      });
      const person = visitor(page);
      const chooser = new Chooser(person);
      await step('chooses three seats side by side', async () => {
        await page.setViewportSize({ width: 1280, height: 900 });
        await chooser.getsATurn();
        await chooser.wantsSeats();
        for (const number of [5, 6, 7]) await chooser.presses(1, number, 14);
        await chooser.hasChosen('B-5', 'B-6', 'B-7');
      });
      await step('learns at the press that one is gone, keeps the others, and is offered the like', async () => {
        isSlow = true;
        await (await rival()).holds({ tier: 'stalls', seats: ['B-6'] });
        await chooser.triesToHold();
        await person.reads('offers', /a moment faster: B-6\. What else you chose is still chosen\. You could have instead/);
        await chooser.hasChosen('B-5', 'B-7');
        await person.seesItAccessible('choose', 'offers');
      });
      await step('sees it as taken, though nothing is heard of seats', async () => {
        await chooser.presses(1, 6, 14);
        await person.reads('seat-news', /B-6 is in someone’s basket, may come back/);
        await chooser.hasChosen('B-5', 'B-7');
        isSlow = false;
      });
      await step('takes the first offer, and holds it', async () => {
        const offer = page.locator('#offers button').first();
        const words = await offer.textContent() ?? '';
        const seats = words.match(/[A-Z]-\d+/g) ?? [];
        await offer.click();
        await chooser.hasChosen(...seats);
        if (!(await page.locator('#take').evaluate((button) => button === document.activeElement))) throw new Error('the focus is lost');
        await chooser.holds(new RegExp(`${seats.length} × Stalls: ${seats.join(', ')}`));
      });
    },
  },
  {
    title: 'a map that does not come',
    config: () => ({ tiers: HALL, per_buyer_limit: 4, admission: OPEN_DOORS }),
    async run({ visitor }, { page, step, faults }) {
      faults.expect(/net::ERR_FAILED|status of 503 .*\/seats\)$/);
      const person = visitor(page);
      const chooser = new Chooser(person);
      await step('reads that the map is not there, and sees it when it comes', async () => {
        await chooser.getsATurn();
        await page.route('**/seats', (route) => route.fulfill({ status: 503, json: { code: 'store_unavailable' } }));
        await page.locator('#by-name').check();
        await person.reads('seat-trouble', /trouble for a moment/);
        await page.unroute('**/seats');
        await page.locator('.seats').waitFor();
        await page.locator('#seat-trouble:empty').waitFor({ state: 'attached' });
      });
      await step('buys the best available when nothing of the map loads', async () => {
        await page.route('**/assets/seat_picker.js', (route) => route.abort());
        await page.reload();
        await person.sees('choose');
        await page.locator('#by-name').check();
        await person.reads('seat-trouble', /could not be loaded/);
        await person.seesItAccessible('choose', 'no-map');
        await page.getByRole('radio', { name: 'Best available' }).check();
        await chooser.wants('balcony', 2);
        await chooser.holds(/2 × Balcony: J-\d+, J-\d+/);
      });
    },
  },
];
