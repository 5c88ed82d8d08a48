/** Whether anything will be left at one's turn, in words; the rule is the server's (gateway/src/odds.rs). */

/** @type {Record<string, string>} */
const WORDS = {
  likely: 'Tickets will probably be left at your turn.',
  uncertain: 'Tickets may run out around your turn: it could just do, or just not.',
  unlikely: 'Tickets will probably run out before your turn. Some people ahead may leave or take fewer, so it is not hopeless.',
  waitlist: 'Tickets will very probably run out before your turn. What comes back afterwards is offered to the waitlist, which you can then join here by your number.',
};

/** What the odds are; empty where nothing is to be said, and where all is sold out, which says more. @param {any} position */
export const oddsInWords = ({ odds, sale_state: state }) => (state === 'sold_out' ? '' : WORDS[odds] ?? '');
