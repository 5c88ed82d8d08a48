/** How news comes: by socket, by event stream, by polls. What is asserted is seen on the wire. */

import { Wire } from '../visitor.mjs';

/** @typedef {import('../room.mjs').Stay} Wait */

/** @type {Wait[]} */
export const TRANSPORTS = [
  {
    title: 'transports',
    ahead: 9,
    async run({ crowd, visitor }, { page, context, step, faults }) {
      faults.expect(/net::ERR_(FAILED|INTERNET_DISCONNECTED)/);
      const wire = new Wire(page);
      const person = visitor(page);
      const moves = async (/** @type {number} */ from) => {
        await person.seesAhead(from);
        wire.forget();
        await crowd.oneLeavesFromTheMiddle();
        await person.seesAhead(from - 1);
      };
      await step('gets news by socket', async () => {
        await person.opensAndJoins();
        await moves(8);
        wire.must({ sockets: 'some', streams: 'none', polls: 'none' });
      });
      await step('gets it by stream where no socket gets through', async () => {
        await context.routeWebSocket(/\/live$/, (socket) => socket.close());
        await page.reload();
        await person.reads('queue', /Live/);
        await moves(7);
        wire.must({ sockets: 'none', polls: 'none' });
        if (wire.streams > 0) throw new Error('the stream was opened again and again');
      });
      await step('polls where no stream gets through either', async () => {
        await context.route(/\/live$/, (route) => route.abort());
        await page.reload();
        await person.reads('queue', /every few seconds/);
        await moves(6);
        wire.must({ sockets: 'none', polls: 'some' });
      });
      await step('finds the stream again on another network', async () => {
        await context.setOffline(true);
        await context.unroute(/\/live$/);
        await context.setOffline(false);
        await person.reads('queue', /Live/);
        await moves(5);
        wire.must({ polls: 'none' });
      });
    },
  },
];
