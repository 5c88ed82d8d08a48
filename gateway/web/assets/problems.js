/**
 * What a person reads when something was refused: one sentence for each code of the API, and for the few that only the
 * page knows (`network`, `payment_unknown`, `payment_over`).
 */

import { Problem } from './api.js';

/** @type {Record<string, string>} */
const SENTENCES = {
  all_held: 'Too few of these tickets are free: the rest is in someone’s basket right now. Some usually come back within minutes: wait a moment and try again.',
  allocation_sold_out: 'This part of the sale has no more of these tickets. What is left is for a later part.',
  sold_out: 'These tickets are sold out.',
  too_few_left: 'Fewer of these tickets are left than you chose.',
  waitlist_not_open: 'Some of these tickets are free or in baskets right now, so there is nothing to wait for: join the queue.',
  already_on_waitlist: 'You are on the waitlist already, with this e-mail address or this place in the queue.',
  offer_not_live: 'There is nothing to take right now: it is not your turn yet, or not any more.',
  limit_reached: 'That is more than one buyer may have, counting what was ordered before. Choose fewer tickets.',
  card_limit_reached: 'This card has paid for as many tickets as one buyer may have in this sale. Nothing was charged: your bank may show the amount as reserved for a few days, and then lets it go by itself. These tickets went back on sale.',
  seat_taken: 'Someone was a moment faster and these tickets are gone. Please choose again.',
  none_together: 'No row has so many seats side by side any more. Choose fewer, or take seats that are apart.',
  pass_in_use: 'You already hold tickets, perhaps in another tab. Finish or give back those first.',
  hold_not_extendable: 'There is no more time to be had for these tickets.',
  pass_expired: 'Your turn is over. Your place in the queue decides when the next one comes.',
  pass_invalid: 'Your turn is over. Your place in the queue decides when the next one comes.',
  place_invalid: 'We do not know this place in the queue any more. Please join again.',
  hold_expired: 'The time for these tickets ran out, and they went back on sale. Nothing was charged.',
  hold_not_found: 'These tickets are no longer held for you. Nothing was charged.',
  order_expired: 'The time to pay for this order ran out, and its tickets went back on sale.',
  payment_unknown: 'We could not learn whether your payment went through. Press again to find out; you are not charged twice.',
  payment_over: 'That payment did not come about. Please enter a card to pay.',
  payment_declined: 'Your bank declined the payment. Nothing was charged. Try again, or use another card.',
  order_not_payable: 'This order needs no payment any more.',
  order_not_cancellable: 'This order is being paid, or is paid already, and cannot be given back here.',
  sale_not_open: 'The sale has not opened yet.',
  sale_paused: 'The sale is paused for a moment. You keep everything you have; please try again shortly.',
  sale_closed: 'This sale has ended.',
  not_found: 'We could not find that.',
  unauthorized: 'This page may no longer see that. Please open it again from your link or e-mail.',
  token_invalid: 'This link is not valid. Please use the one in your e-mail.',
  access_code_required: 'This part of the sale needs an access code.',
  proof_required: 'Your device could not show that it is no bot. Please try again, or ask for more time.',
  coupon_invalid: 'This code cannot be used here.',
  validation_failed: 'Please check what you entered.',
  idempotency_key_reused: 'This was already sent with other contents. Please reload the page.',
  request_in_progress: 'Your earlier request is still being worked on. Please wait a moment.',
  rate_limited: 'That was a little too fast. Please wait a moment.',
  overloaded: 'Very many people are here right now. You keep everything you have; please wait a moment.',
  store_unavailable: 'We are having trouble for a moment. You keep everything you have; please wait.',
  network: 'There is no connection right now. You keep everything you have; we keep trying.',
};

const UNEXPECTED = 'Something went wrong on our side. Please try again in a moment.';

/**
 * The sentence for a failure, or for a code.
 * @param {unknown} failure
 */
export function sentenceFor(failure) {
  const code = failure instanceof Problem ? failure.code : failure;
  return (typeof code === 'string' && SENTENCES[code]) || UNEXPECTED;
}
