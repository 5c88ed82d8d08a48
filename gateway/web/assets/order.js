/**
 * The order page: what became of an order, and its tickets.
 *
 * A person comes here after paying, back from their bank, or by the link in the mail, whose fragment carries the order
 * token. The page asks until nothing will change by itself any more.
 *
 * | state                      | shown |
 * |----------------------------|-------|
 * | awaiting_payment, declined | why, and a link to try again |
 * | awaiting_payment, just paid | being confirmed |
 * | awaiting_payment, at the bank | a link back to it |
 * | awaiting_payment           | a link to pay |
 * | processing, paid without tickets | confirmed, the tickets follow |
 * | paid                       | the tickets |
 * | expired, not final         | a payment may still arrive |
 * | over, money was taken      | why, and when it is back |
 * | cancelled for the card     | that the card has its limit |
 * | the sale was called off    | so, and that what was paid goes back |
 * | all others                 | what happened, and the tickets that there are |
 */

import { Problem, orderNamed, saleNamed } from './api.js';
import { addressOf, checkoutPage, salePage, takeParameters } from './address.js';
import { Journey, keepOrderToken, orderToken } from './journey.js';
import { inWords } from './money.js';
import { entitle, fill, note, part, show, warn } from './page.js';
import { delayMs, pause, untilAnswered } from './patience.js';
import { lineRows } from './prices.js';
import { sentenceFor } from './problems.js';
import { ticketEntries } from './tickets.js';

const { slug, order: id } = addressOf();
/** After paying, the bank's word reaches the server within moments; only then is "not paid" said. */
const CONFIRMING_MAX_MS = 60_000;
/** Pauses between looks: short while a person waits for tickets, longer and longer after that. */
const POLL_FIRST_MS = 1_000;
const POLL_MAX_MS = 20_000;
const POLL_GROWTH = 1.15;

/** @type {Record<string, [string, string]>} */
const WORDS = {
  confirming: ['Confirming your payment…', 'This takes a few seconds. You need not do anything.'],
  awaiting_payment: ['This order is not paid yet', 'Your tickets are held for you for a short while.'],
  at_the_bank: ['Your bank wants a word from you', 'It asks you to confirm this payment. Nothing is charged before you do. Your tickets are held for you for a short while.'],
  declined: ['Your bank did not approve the payment', 'Nothing was charged. You can try again, or use another card: your tickets are held for you for a short while.'],
  processing: ['Your payment is confirmed', 'Your tickets follow in a moment, here and by e-mail.'],
  paid: ['Here are your tickets', 'They were sent to you by e-mail, too. Show the code at the door.'],
  expiring: ['The time to pay ran out', 'A payment may still be on its way. If it arrives and your tickets can be had, they appear here; if not, you get your money back.'],
  expired: ['This order expired', 'The time to pay ran out and the tickets went back on sale. You pay nothing; whatever your bank reserved is released.'],
  too_late: ['Your payment came too late', 'The tickets had gone back on sale. The whole amount goes back to you; banks take five to ten days to show it.'],
  card_limit: ['This card has reached its limit', 'It has paid for as many tickets as one buyer may have in this sale, so there are none for this order. Nothing was charged; your bank may show the amount as reserved for up to seven days, and then lets it go.'],
  card_limit_paid: ['This card has reached its limit', 'It has paid for as many tickets as one buyer may have in this sale, so there are none for this order. The whole amount goes back to you; banks take five to ten days to show it.'],
  cancelled: ['This order was cancelled', 'You pay nothing; whatever your bank reserved is released.'],
  partially_refunded: ['Part of this order was refunded', 'Tickets that are still valid are below.'],
  refunded: ['This order was refunded', 'The money is on its way back to you.'],
  given_back: ['This order was given back', 'Its tickets are void. There was nothing to pay back.'],
  called_off: ['This was called off', 'Your tickets are void. Everything you paid goes back to you; banks take five to ten days to show it.'],
  called_off_unpaid: ['This was called off', 'You pay nothing. Whatever your bank set aside or took comes back by itself; that may take ten days.'],
  disputed: ['The payment of this order is disputed', 'Your bank is looking into it. Please contact the organizer.'],
};
/** What a buyer can do about it, for reasons of Stripe's that say so. @type {Record<string, string>} */
const REASONS = {
  insufficient_funds: 'Your bank says that there is not enough money on the card.',
  expired_card: 'The card has expired.',
  incorrect_cvc: 'The security code was not right.',
  payment_intent_authentication_failure: 'The payment was not confirmed with your bank.',
};
/** Of these something was paid. */
const PAID = new Set(['paid', 'partially_refunded', 'refunded', 'disputed']);
const SETTLED = new Set(['cancelled', 'partially_refunded', 'refunded', 'disputed']);

/** Where paying goes on, and how the way there is called. @type {Record<string, string>} */
const RETRY = { awaiting_payment: 'Pay now', declined: 'Try again', at_the_bank: 'Go on with the payment' };

/** @param {any} sale @param {any} order @param {boolean} justPaid */
function wordsFor(sale, order, justPaid) {
  if (sale.state === 'cancelled') return wordsForCalledOff(order);
  if (order.state === 'refunded' && order.total.amount === 0) return 'given_back';
  if (order.state === 'awaiting_payment' && order.attempt?.state === 'failed') return 'declined';
  if (order.state === 'awaiting_payment' && justPaid) return 'confirming';
  if (order.state === 'awaiting_payment' && order.attempt?.state === 'requires_action') return 'at_the_bank';
  if (isOver(order)) {
    const wasTaken = order.attempt?.captured.amount > 0;
    if (order.attempt?.reason === 'card_limit') return wasTaken ? 'card_limit_paid' : 'card_limit';
    if (wasTaken) return 'too_late';
  }
  if (order.state === 'paid' && order.tickets.length === 0) return 'processing';
  return order.state === 'expired' && !order.final ? 'expiring' : order.state;
}

/** Of a sale that was called off. What its bank has, a buyer has from there. @param {any} order */
function wordsForCalledOff(order) {
  if (order.state === 'disputed') return 'disputed';
  if (order.state === 'refunded' && order.total.amount === 0) return 'given_back';
  return PAID.has(order.state) ? 'called_off' : 'called_off_unpaid';
}

/** @param {any} order */
const isOver = (order) => order.state === 'cancelled' || (order.state === 'expired' && order.final);

/** What a person reads. @param {any} order @param {string} state */
function messageFor(order, state) {
  const [, message] = WORDS[state] ?? ['', ''];
  const reason = state === 'declined' && REASONS[order.attempt.reason];
  return reason ? `${reason} ${message}` : message;
}

/** Whether nothing will change by itself. @param {any} sale @param {any} order */
function isSettled(sale, order) {
  if (order.state === 'paid' && sale.state !== 'cancelled') return order.tickets.length > 0;
  return SETTLED.has(order.state) || (order.state === 'expired' && order.final);
}

/** Shows an order. @param {any} sale @param {any} order @param {boolean} justPaid */
function render(sale, order, justPaid) {
  const state = wordsFor(sale, order, justPaid);
  const [heading] = WORDS[state] ?? [order.state];
  entitle(heading, sale.name);
  fill('title', heading);
  fill('message', messageFor(order, state));
  fill('order-id', order.id);
  fill('receipt-title', PAID.has(order.state) ? 'What you paid for' : 'What you ordered');
  fill('total', inWords(order.total));
  part('lines').replaceChildren(...lineRows(order.lines));
  part('receipt').hidden = order.lines.length === 0;
  part('retry').hidden = !(state in RETRY);
  fill('retry-link', RETRY[state] ?? '');
  part('print').hidden = !order.tickets.some((/** @type {any} */ ticket) => ticket.state === 'valid');
  renderTickets(sale, order.tickets);
  show('shown');
}

let shownTickets = '';

/** Draws the tickets again only when they changed, so that no QR code flickers. @param {any} sale @param {any[]} tickets */
function renderTickets(sale, tickets) {
  const now = tickets.map((ticket) => `${ticket.id} ${ticket.state}`).join('\n');
  if (now === shownTickets) return;
  shownTickets = now;
  part('tickets').replaceChildren(...ticketEntries(tickets, sale));
}

/** The token from the mail's link, or the one this browser kept. @param {URLSearchParams} fragment */
const tokenFrom = (fragment) => fragment.get('token') || orderToken(id);

/** When this browser sent the payment, 0 when it did not. @param {Journey} journey @param {URLSearchParams} query */
function submittedAt(journey, query) {
  const { order } = journey.steps;
  if (query.get('redirect_status') === 'succeeded') return Date.now();
  return order?.id === id ? order.submittedAt ?? 0 : 0;
}

/** Lets the checkout page pay this order, also in a browser that did not make it. @param {Journey} journey @param {string} token @param {any} order */
function rememberUnpaid(journey, token, order) {
  const { order: known } = journey.steps;
  if (order.state !== 'awaiting_payment' || known?.id === id || !order.payment) return;
  journey.remember({ order: { id, token, payment: order.payment } });
}

/** Asks and shows until the order is settled. @param {any} sale @param {string} token @param {number} paidAt */
async function follow(sale, token, paidAt) {
  const journey = new Journey(sale.id);
  for (let ms = POLL_FIRST_MS, failures = 0; ;) {
    try {
      const order = await orderNamed(sale.id, id, token);
      failures = 0;
      // Only now: a link that was cut short must not displace the token that this browser has.
      keepOrderToken(id, token);
      note('');
      rememberUnpaid(journey, token, order);
      render(sale, order, Date.now() - paidAt < CONFIRMING_MAX_MS);
      if (isSettled(sale, order)) return;
      await nextLook(ms);
      ms = Math.min(POLL_MAX_MS, ms * POLL_GROWTH);
    } catch (failure) {
      if (!(failure instanceof Problem) || !failure.isPassing) throw failure;
      failures += 1;
      note(sentenceFor(failure));
      await pause(delayMs(failures, failure.retryAfterMs));
    }
  }
}

/** Waits for the next look; a tab that comes back to the front looks at once. @param {number} ms */
function nextLook(ms) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
      resolve(undefined);
    }
    function seen() {
      if (document.visibilityState === 'visible') done();
    }
    document.addEventListener('visibilitychange', seen);
  });
}

async function start() {
  const { query, fragment } = takeParameters();
  const token = tokenFrom(fragment);
  /** @type {HTMLAnchorElement} */ (part('sale-link')).href = salePage(slug);
  /** @type {HTMLAnchorElement} */ (part('retry-link')).href = checkoutPage(slug);
  part('print-button').addEventListener('click', () => print());
  if (!token) return show('missing');
  try {
    const sale = await untilAnswered(() => saleNamed(slug), (problem) => note(sentenceFor(problem)));
    note('');
    fill('name', sale.name);
    fill('facts', sale.venue ?? '');
    if (query.get('redirect_status') === 'failed') warn('Your bank did not approve the payment. Nothing was charged; you can try again.');
    await follow(sale, token, submittedAt(new Journey(sale.id), query));
  } catch (failure) {
    const isUnknown = failure instanceof Problem && (failure.status === 401 || failure.status === 404);
    show('missing');
    warn(isUnknown ? '' : sentenceFor(failure));
  }
  return undefined;
}

await start();
