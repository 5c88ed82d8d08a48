/**
 * The attendee API as functions, one a call.
 *
 * Every answer that is not 2xx becomes a {@link Problem} with the stable `code` of the API (RFC 9457); no answer at all
 * becomes one with the code `network`. Every answer's `Date` also sets the server's clock (see clock.js).
 * Nothing here retries: patience.js does, and only for what is safe to send again.
 */

import { hearDate } from './clock.js';

/** How long an answer may take before the call counts as failed. */
const ANSWER_MAX_MS = 15_000;
/** Paying waits for the bank, by way of two servers. */
const PAY_ANSWER_MAX_MS = 60_000;

/**
 * @typedef {{tier: string, quantity: number, seats: string[] | null, together: boolean}} Alternative what could be had
 * instead of units that are taken
 */

/** A refusal or a failure, as the API words it. */
export class Problem extends Error {
  /**
   * @param {{code: string, status?: number, detail?: string, retryAfterMs?: number,
   *          errors?: {pointer: string, detail: string}[], alternatives?: Alternative[]}} facts
   */
  constructor({ code, status = 0, detail = '', retryAfterMs = 0, errors = [], alternatives = [] }) {
    super(detail || code);
    this.name = 'Problem';
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
    this.errors = errors;
    this.alternatives = alternatives;
  }

  /** Whether it is unknown if the call took effect, so that the same call must be sent again to find out. */
  get isUncertain() {
    return this.status === 0 || this.status >= 500 || this.code === 'request_in_progress';
  }

  /** Whether waiting a little may help. */
  get isPassing() {
    return this.isUncertain || this.status === 429;
  }
}

/**
 * @typedef {{token?: string, key?: string, etag?: string, body?: unknown, answerMaxMs?: number}} Options
 * `token` proves who asks, `key` makes a write safe to repeat, `etag` is the version of what is there already.
 */

/** Answers without a body: done, and not changed since. */
const BODILESS = new Set([204, 304]);

/**
 * Sends one request.
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<any>} the parsed answer, null when it has no body
 */
async function request(method, path, options) {
  return (await answered(method, path, options)).answer;
}

/**
 * The same, with the version of the answer.
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<{answer: any, etag: string}>}
 */
async function answered(method, path, { token, key, etag, body, answerMaxMs = ANSWER_MAX_MS } = {}) {
  const headers = new Headers({ Accept: 'application/json, application/problem+json' });
  if (token) headers.set('Authorization', `Bearer ${token}`);
  if (key) headers.set('Idempotency-Key', `"${key}"`);
  if (etag) headers.set('If-None-Match', etag);
  if (body !== undefined) headers.set('Content-Type', 'application/json');
  // Not AbortSignal.timeout, which Safari has only since 16.
  const given = new AbortController();
  const bell = setTimeout(() => given.abort(), answerMaxMs);
  /** @type {RequestInit} An answer from a cache would tell an old time and an old state. */
  const init = { method, headers, cache: 'no-store', signal: given.signal };
  try {
    const response = await fetch(path, body === undefined ? init : { ...init, body: JSON.stringify(body) });
    if (!response.headers.has('Age')) hearDate(response.headers.get('Date'));
    const answer = BODILESS.has(response.status) ? null : await response.json().catch(() => null);
    if (!response.ok && !BODILESS.has(response.status)) throw problemOf(response, answer);
    return { answer, etag: response.headers.get('ETag') ?? '' };
  } catch (failure) {
    if (failure instanceof Problem) throw failure;
    throw new Problem({ code: 'network', detail: String(failure) });
  } finally {
    clearTimeout(bell);
  }
}

/**
 * @param {Response} response
 * @param {any} answer
 */
function problemOf(response, answer) {
  return new Problem({
    code: answer?.code ?? 'unreadable',
    status: response.status,
    detail: answer?.detail ?? answer?.title,
    errors: answer?.errors,
    alternatives: answer?.alternatives,
    retryAfterMs: 1000 * (Number(response.headers.get('Retry-After')) || 0),
  });
}

const at = encodeURIComponent;

/** A page of the published sales. @param {string | null} cursor */
export const publishedSales = (cursor) => request('GET', cursor ? `/v1/sales?cursor=${at(cursor)}` : '/v1/sales');

/** A sale by its id or slug. @param {string} sale */
export const saleNamed = (sale) => request('GET', `/v1/sales/${at(sale)}`);

/** Joins the queue, or finds the place that this visitor has. @param {string} sale @param {unknown} wishes */
export const joinQueue = (sale, wishes) => request('POST', `/v1/sales/${at(sale)}/queue`, { body: wishes });

/**
 * A proof of work to solve before joining. Whoever asks has the visitor's cookie from then on, also where the sale asks for
 * no work.
 * @param {string} sale
 */
export const challengeOf = (sale) => request('GET', `/v1/sales/${at(sale)}/queue/challenge`);

/** Where everything about the draw can be read. @param {string} sale */
export const fairnessPath = (sale) => `/v1/sales/${at(sale)}/fairness`;

/** Proof that one's registration was in the draw. @param {string} sale @param {string} place */
export const inclusionProof = (sale, place) =>
  request('GET', `/v1/sales/${at(sale)}/queue/place/proof`, { token: place });

/** Where the place stands; also a heartbeat. @param {string} sale @param {string} place */
export const positionOf = (sale, place) => request('GET', `/v1/sales/${at(sale)}/queue/place`, { token: place });

/** Gives the place up. @param {string} sale @param {string} place */
export const leaveQueue = (sale, place) => request('DELETE', `/v1/sales/${at(sale)}/queue/place`, { token: place });

/**
 * The seats of a sale; null when the version that is there is the newest.
 * @param {string} sale @param {string} etag empty when none is there
 */
export async function seatMapOf(sale, etag) {
  const found = await answered('GET', `/v1/sales/${at(sale)}/seats`, { etag });
  return found.answer && { ...found.answer, etag: found.etag };
}

/** Joins the waitlist. @param {string} sale @param {unknown} wish @param {string} key @param {string} [place] in the queue: its number counts */
export const joinWaitlist = (sale, wish, key, place) =>
  request('POST', `/v1/sales/${at(sale)}/waitlist`, { token: place, key, body: wish });

/** Looks at an entry of the waitlist. @param {string} sale @param {string} entry @param {string} token */
export const entryNamed = (sale, entry, token) =>
  request('GET', `/v1/sales/${at(sale)}/waitlist/${at(entry)}`, { token });

/** Says that the entry is one's own, with the token from the mail. @param {string} sale @param {string} entry @param {string} token */
export const confirmEntry = (sale, entry, token) =>
  request('POST', `/v1/sales/${at(sale)}/waitlist/${at(entry)}/confirm`, { token });

/** Makes an order of an offer. @param {string} sale @param {string} entry @param {string} token @param {unknown} body */
export const claimOffer = (sale, entry, token, body) =>
  request('POST', `/v1/sales/${at(sale)}/waitlist/${at(entry)}/claim`, { token, body });

/** Leaves the waitlist, or gives an offer back. @param {string} sale @param {string} entry @param {string} token */
export const leaveWaitlist = (sale, entry, token) =>
  request('DELETE', `/v1/sales/${at(sale)}/waitlist/${at(entry)}`, { token });

/** Takes units. @param {string} sale @param {string} pass @param {string} key @param {unknown} body */
export const takeHold = (sale, pass, key, body) =>
  request('POST', `/v1/sales/${at(sale)}/holds`, { token: pass, key, body });

/** Looks at a hold. @param {string} sale @param {string} hold @param {string} pass */
export const holdNamed = (sale, hold, pass) =>
  request('GET', `/v1/sales/${at(sale)}/holds/${at(hold)}`, { token: pass });

/** Holds for longer. @param {string} sale @param {string} hold @param {string} pass @param {string} key */
export const extendHold = (sale, hold, pass, key) =>
  request('POST', `/v1/sales/${at(sale)}/holds/${at(hold)}/extend`, { token: pass, key });

/** Gets a hold back that the store lost. @param {string} sale @param {string} hold @param {string} receipt */
export const reclaimHold = (sale, hold, receipt) =>
  request('POST', `/v1/sales/${at(sale)}/holds/${at(hold)}/reclaim`, { token: receipt });

/** Gives a hold back, and cancels its unpaid order. @param {string} sale @param {string} hold @param {string} pass */
export const giveBack = (sale, hold, pass) =>
  request('DELETE', `/v1/sales/${at(sale)}/holds/${at(hold)}`, { token: pass });

/** Orders what is held. @param {string} sale @param {string} pass @param {string} key @param {unknown} body */
export const placeOrder = (sale, pass, key, body) =>
  request('POST', `/v1/sales/${at(sale)}/orders`, { token: pass, key, body });

/** Looks at an order. @param {string} sale @param {string} order @param {string} token */
export const orderNamed = (sale, order, token) =>
  request('GET', `/v1/sales/${at(sale)}/orders/${at(order)}`, { token });

/** Pays an order. @param {string} sale @param {string} order @param {string} token @param {string} key @param {unknown} body */
export const payOrder = (sale, order, token, key, body) =>
  request('POST', `/v1/sales/${at(sale)}/orders/${at(order)}/pay`, { token, key, body, answerMaxMs: PAY_ANSWER_MAX_MS });
