/**
 * Asking: the one place from which requests go out, so that each has a name of a short list and is judged by the same rule.
 *
 * An error is no answer, or one of 500 and above; a 503 that says when to come again is a declared overload, and counted apart.
 * Requests go without cookies: a script shows tokens, and people of one VU must not take each other's place.
 */

import http from 'k6/http';
import { Counter, Rate } from 'k6/metrics';

import { ONSALE_URL } from './config.js';

/** What fans ask, whose times are bounded. */
export const FAN_REQUESTS = ['join', 'place', 'leave', 'hold', 'release', 'order', 'show_order', 'pay'];
/** All names that a request can have. */
const NAMES = new Set([
  ...FAN_REQUESTS, 'card', 'bank', 'organizer', 'audit', 'sale', 'mail', 'wish', 'confirm', 'show_entry', 'claim', 'bot_join', 'bot_place',
  'bot_hold', 'bot_forged',
]);

const TIMEOUT = '30s';
/** A refusal that does not say when to come again is tried again after this. */
const AGAIN_AFTER_MS = 1_000;

const errors = new Rate('errors');
const overloads = new Counter('overloads');
const limited = new Counter('limited');

http.setResponseCallback(http.expectedStatuses({ min: 200, max: 499 }, 503));

/** A key for one act; the same act repeated has the same one. */
export const newKey = () => `"${crypto.randomUUID()}"`;

function asked({ name, address, token, key, body, form }) {
  if (!NAMES.has(name)) throw new Error(`a request has no such name: ${name}`);
  const headers = {};
  if (address) headers['X-Forwarded-For'] = address;
  if (token) headers.Authorization = `Bearer ${token}`;
  if (key) headers['Idempotency-Key'] = key;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const sent = body !== undefined ? JSON.stringify(body) : (form ?? null);
  return [sent, { headers, tags: { name }, jar: new http.CookieJar(), timeout: TIMEOUT }];
}

function judged(response, name) {
  const { status, headers } = response;
  const after_s = Number(headers['Retry-After']);
  const isDeclared = status === 503 && after_s > 0;
  errors.add(status === 0 || (status >= 500 && !isDeclared), { name });
  if (isDeclared) overloads.add(1, { name });
  if (status === 429) limited.add(1, { name });
  const body = parsed(response.body);
  const code = body && typeof body.code === 'string' ? body.code : '';
  return {
    status, headers, body, code,
    ok: status >= 200 && status < 300,
    /** Nothing was refused for good. */
    again: status === 0 || status === 429 || status >= 500 || code === 'request_in_progress' || code === 'all_held',
    again_after_ms: after_s > 0 ? after_s * 1_000 : AGAIN_AFTER_MS,
  };
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

const address = (path) => (path.startsWith('/') ? ONSALE_URL + path : path);

/** Asks while others of the VU go on. `path` begins with a slash, or is a whole URL. */
export async function ask(method, path, what) {
  const [sent, params] = asked(what);
  return judged(await http.asyncRequest(method, address(path), sent, params), what.name);
}

/** Asks and waits: for setup and teardown. */
export function askNow(method, path, what) {
  const [sent, params] = asked(what);
  return judged(http.request(method, address(path), sent, params), what.name);
}

/** Asks until there is an answer for good, or it is that late. */
export async function insist(until, method, path, what) {
  for (;;) {
    const answer = await ask(method, path, what);
    if (!answer.again || Date.now() + answer.again_after_ms > until) return answer;
    await rest(answer.again_after_ms);
  }
}

/** Lets others of the VU go on for so long. */
export const rest = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** A time as the API writes it, in milliseconds: the date parser reads so many digits and no more. */
export const msOf = (time) => Date.parse(String(time).replace(/(\.\d{3})\d+/, '$1'));
