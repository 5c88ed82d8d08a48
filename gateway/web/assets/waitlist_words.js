/** What a person on a waitlist reads, state by state. */

/** @typedef {{state: string, quantity: number, position: number | null, gathers_until: string | null, offer: any, is_proved?: boolean}} Entry */

/** @type {Record<string, [string, string]>} */
const WORDS = {
  unconfirmed: ['Look into your mailbox', 'We sent you an e-mail with a link. You are in line once you have opened it and pressed the button there. Without that, we forget your request after an hour. An address gets three such e-mails an hour at most.'],
  waiting: ['You are on the waitlist', 'You may close this page: when it is your turn, you get an e-mail.'],
  offered: ['It is your turn', 'These tickets came back, and nobody else can have them while this clock runs. What you do not take goes to the next in line, and your place in line ends with it.'],
  claimed: ['You took your offer', 'Your tickets are in your order.'],
  lapsed: ['Your offer is over', 'The time to take it ran out, and it went to the next in line. If the sale is still sold out, you can join the waitlist again.'],
  declined: ['You gave your offer back', 'It went to the next in line.'],
  left: ['You left the waitlist', 'You can join it again, behind everybody who waits by then.'],
  expired: ['This was not confirmed in time', 'We forgot the request after an hour. You can join the waitlist again.'],
  over: ['The waitlist is closed', 'There is no time left in this sale to offer anything.'],
};

const TAKEN_BY_MAIL = 'Open the link in the e-mail to take them: this page does not show that the address is yours.';

/** Whether nothing changes any more but by the person. @param {Entry} entry */
export const isSettled = ({ state }) => !['unconfirmed', 'waiting', 'offered'].includes(state);

/** Whether there may be a next time. @param {Entry} entry */
export const mayJoinAgain = ({ state }) => ['lapsed', 'declined', 'left', 'expired'].includes(state);

/** Heading and message; who came by the mail's link is asked to confirm. @param {Entry} entry @param {boolean} byMail @returns {[string, string]} */
export function wordsFor(entry, byMail) {
  if (entry.state === 'unconfirmed' && byMail) {
    return ['Is it you who wants these tickets?', 'Press the button and you are in line. If you did not ask for this, close the page: nothing happens.'];
  }
  const [heading, message] = WORDS[entry.state] ?? [entry.state, ''];
  if (entry.state === 'offered' && !byMail) return [heading, `${message} ${TAKEN_BY_MAIL}`];
  if (entry.state !== 'waiting' || entry.position === null) return [heading, message];
  return [heading, `${aheadInWords(entry.position - 1)} ${message}`];
}

/** @param {number} ahead */
export const aheadInWords = (ahead) =>
  ahead === 0 ? 'You are first in line.' : `${ahead === 1 ? 'One person is' : `${ahead} people are`} ahead of you.`;

/** Why a position may still rise; empty when it cannot. @param {Entry} entry @param {string} until */
export const gatheringInWords = ({ state, gathers_until: gathers }, until) =>
  gathers && ['unconfirmed', 'waiting'].includes(state)
    ? `Those who were in the queue come first, in its order. Until ${until} some of them may still join ahead of you; after that you only move up.`
    : '';

/** What is offered: `2 × Stalls (A-1, A-2)`. @param {any} offer @param {{id: string, name: string}[]} tiers */
export function offerInWords({ tier, quantity, seats }, tiers) {
  const name = tiers.find(({ id }) => id === tier)?.name ?? tier;
  return `${quantity} × ${name}${seats.length > 0 ? ` (${seats.join(', ')})` : ''}`;
}

/** What is said of an offer of fewer than was asked for. @param {Entry} entry */
export const partInWords = ({ offer, quantity }) =>
  offer && offer.quantity < quantity ? ` You asked for ${quantity}; for long there were no more.` : '';

/** What leaving is called; empty where it cannot be done from here. @param {Entry} entry */
export function leaveInWords({ state, is_proved: isProved }) {
  if (!isProved && state !== 'unconfirmed') return '';
  if (state === 'offered') return 'I do not want them';
  return state === 'waiting' || state === 'unconfirmed' ? 'Leave the waitlist' : '';
}

/** @type {Record<string, [string, string]>} */
const TAIL_WORDS = {
  unconfirmed: ['Confirm your place on the waitlist', 'We sent you an e-mail with a link. Press the button on the page it leads to within an hour. Your place in the queue stays as it is.'],
  waiting: ['You are on the waitlist, too', 'You stand there by your number, and get an e-mail when it is your turn. You may stay here, or close this page.'],
  offered: ['Tickets came back for you', 'Nobody else can have them for a while. Take them before their time runs out.'],
};

/**
 * What the queue says of the waitlist.
 * @param {{state: string} | undefined} entry of this place @param {boolean} isAll whether all of the sale is sold out
 * @returns {[string, string]}
 */
export function tailInWords(entry, isAll) {
  if (entry) return TAIL_WORDS[entry.state] ?? TAIL_WORDS.unconfirmed;
  const gone = isAll ? 'Every ticket is sold or being paid for.' : 'Some kinds of tickets are sold or being paid for.';
  return ['Get a ticket that comes back', `${gone} What comes back is offered to the waitlist by e-mail. Join it from here and you stand there by your number, before everybody who does not queue.`];
}
