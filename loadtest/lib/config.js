/**
 * The knobs: each is an environment variable with a default, read here and nowhere else, so that a typing mistake ends the run before
 * it begins. README.md has a row for each; `make load-test` compares.
 */

/** What the run is held to; the alert rules have the same file. */
export const SLO = JSON.parse(open(import.meta.resolve('../slo.json')));

const given = (name) => (__ENV[name] === undefined || __ENV[name] === '' ? undefined : __ENV[name]);

/** A knob that is a text. */
export const text = (name, otherwise) => given(name) ?? otherwise;

/** A knob that is a number, not below 0. */
export function number(name, otherwise) {
  const value = given(name) === undefined ? otherwise : Number(given(name));
  if (Number.isFinite(value) && value >= 0) return value;
  throw new Error(`${name} is ${given(name)}, and must be a number that is not below 0`);
}

/** A knob that is a count: a whole number from 1 on. */
export function count(name, otherwise) {
  const value = number(name, otherwise);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`${name} is ${value}, and must be a whole number from 1 on`);
}

/** A knob that is a share, from 0 to 1. */
export function share(name, otherwise) {
  const value = number(name, otherwise);
  if (value <= 1) return value;
  throw new Error(`${name} is ${value}, and must be a share from 0 to 1`);
}

/** Where the gateway is. */
export const ONSALE_URL = text('ONSALE_URL', 'http://127.0.0.1:8080').replace(/\/+$/, '');
/** The key that sets the sale up and audits it. */
export const ORGANIZER_KEY = text('ONSALE_ORGANIZER_KEY', '');
/** Where confirmation tokens come from; where the order says, when nothing is said. */
export const STRIPE_API_BASE = text('STRIPE_API_BASE', '');
export const STRIPE_SECRET_KEY = text('STRIPE_SECRET_KEY', 'sk_test_of_a_script');
/** The page of the mail sink, for scenarios that read mail. */
export const MAIL_URL = text('MAIL_URL', '');
/** Where the summary goes. */
export const RESULTS = text('RESULTS', '.').replace(/\/+$/, '');
/** The bounds of times are multiplied by it: for machines that do other things, too. */
export const SLO_FACTOR = number('SLO_FACTOR', 1);

/** People that one VU plays at once. */
export const GROUP = count('GROUP', 25);
/** How many of them have a socket; the others poll. */
export const SOCKET_SHARE = share('SOCKET_SHARE', 0.9);
/** How long somebody waits for a turn, and for tickets after paying. */
export const PATIENCE_S = number('PATIENCE_S', 120);
export const TICKETS_WITHIN_S = number('TICKETS_WITHIN_S', 60);
/** How long payments may be under way at the end, before the audit. */
export const SETTLE_S = number('SETTLE_S', 60);
/** Seconds of thought before each step, at most; half of it at least. */
export const THINK_S = number('THINK_S', 1);
/** Of those who got that far, how many go away. */
export const LEAVE_WAITING = share('LEAVE_WAITING', 0);
export const LEAVE_HOLDING = share('LEAVE_HOLDING', 0);
export const LEAVE_ORDERED = share('LEAVE_ORDERED', 0);
/** Units of one buyer. */
export const QUANTITY = count('QUANTITY', 2);
/** The card that everybody has; the fake makes each a card of its own. */
export const CARD = text('CARD', 'pm_card_visa');
