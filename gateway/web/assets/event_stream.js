/**
 * The live channel of a sale as an event stream, for networks that let no WebSocket through.
 *
 * The frames are those of the socket, each the data of one event. Read with `fetch` instead of EventSource, which can
 * neither show a place token nor tell a refused place from a lost connection. Used once, like a socket.
 */

import { hearTime } from './clock.js';

/** The longest event that is taken in; the server's are below 4 KiB. */
const EVENT_MAX_CHARS = 64 * 1024;

/** Takes a stream of text apart into the data of its events (HTML Living Standard, 9.2.6). */
export class EventReader {
  #rest = '';
  /** @type {string[]} */
  #data = [];

  /** The data of the events that end in this piece. @param {string} piece @returns {string[]} */
  take(piece) {
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.#rest = (lines.pop() ?? '').slice(0, EVENT_MAX_CHARS);
    return lines.flatMap((line) => this.#line(line));
  }

  /** @param {string} line */
  #line(line) {
    if (line === '') return this.#data.length > 0 ? [this.#data.splice(0).join('\n')] : [];
    if (line.startsWith('data:')) this.#data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
    return [];
  }
}

/**
 * Opens a stream.
 * @param {string} sale
 * @param {import('./live.js').Who} who
 * @param {import('./live.js').ChannelHeard} heard
 * @returns {import('./live.js').Channel}
 */
export function openStream(sale, who, heard) {
  const ended = new AbortController();
  const end = (/** @type {import('./live.js').End} */ why) => {
    if (ended.signal.aborted) return;
    ended.abort();
    heard.closed(why);
  };
  read(sale, typeof who === 'string' ? who : who.token, heard, ended.signal).then(end, () => end({ status: 0 }));
  return { close: () => ended.abort() };
}

/** Reads to the end. @param {string} sale @param {string} token @param {import('./live.js').ChannelHeard} heard @param {AbortSignal} signal */
async function read(sale, token, heard, signal) {
  const response = await fetch(`/v1/sales/${encodeURIComponent(sale)}/live`, {
    headers: { Accept: 'text/event-stream', Authorization: `Bearer ${token}` }, cache: 'no-store', signal,
  });
  if (!response.ok || !response.body) {
    return { status: response.status, advisedMs: 1000 * (Number(response.headers.get('Retry-After')) || 0) };
  }
  const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const events = new EventReader();
  for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) {
    for (const text of events.take(piece.value)) {
      const frame = JSON.parse(text);
      hearTime(frame.server_time);
      if (!signal.aborted) heard.frame(frame);
    }
  }
  return { status: 0 };
}
