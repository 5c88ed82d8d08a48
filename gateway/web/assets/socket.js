/**
 * One connection to the live channel of a sale (WebSocket, sub-protocol `v1.onsale`).
 *
 * Frames are `{"v":1,"type","seq","server_time","data"}`; the first is the full state. Whose connection it is goes as the
 * first message, so that a browser without cookies is heard too. A connection is used once: when it is closed, open another.
 */

import { hearTime } from './clock.js';

const SUB_PROTOCOL = 'v1.onsale';
/** The normal closure code, the only one a page may send besides its own. */
const DONE = 1000;

/**
 * Opens a connection.
 * @param {string} sale
 * @param {import('./live.js').Who} who
 * @param {import('./live.js').ChannelHeard} heard
 * @returns {import('./live.js').Channel}
 */
export function openSocket(sale, who, heard) {
  const url = new URL(`/v1/sales/${encodeURIComponent(sale)}/live`, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const socket = opened(url);
  if (!socket) return refused(heard);
  const ended = new AbortController();
  const { signal } = ended;
  const end = () => {
    ended.abort();
    heard.closed({ status: 0 });
  };
  socket.addEventListener('open', () => socket.send(JSON.stringify(typeof who === 'string' ? { place: who } : who)), { signal });
  socket.addEventListener('message', ({ data }) => hear(data, heard), { signal });
  socket.addEventListener('close', end, { signal });
  return {
    close() {
      ended.abort();
      socket.close(DONE);
    },
  };
}

/** Some browsers throw where a policy or a filter forbids sockets. @param {URL} url */
function opened(url) {
  try {
    return new WebSocket(url, SUB_PROTOCOL);
  } catch {
    return null;
  }
}

/** A connection that ended before it began. @param {import('./live.js').ChannelHeard} heard */
function refused(heard) {
  const timer = setTimeout(() => heard.closed({ status: 0 }));
  return { close: () => clearTimeout(timer) };
}

/** @param {unknown} text @param {import('./live.js').ChannelHeard} heard */
function hear(text, heard) {
  const frame = parsed(text);
  if (!frame) return;
  hearTime(frame.server_time);
  heard.frame(frame);
}

/** @param {unknown} text */
function parsed(text) {
  try {
    const frame = JSON.parse(String(text));
    return typeof frame?.type === 'string' ? frame : null;
  } catch {
    return null;
  }
}
