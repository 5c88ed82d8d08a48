/**
 * One connection to the live channel of a sale (WebSocket, sub-protocol `v1.onsale`).
 *
 * Frames are `{"v":1,"type","seq","server_time","data"}`; the first is the full state. The place token goes as the first
 * message, so that a browser without cookies is heard too. A connection is used once: when it is closed, open another.
 */

import { hearTime } from './clock.js';

const SUB_PROTOCOL = 'v1.onsale';
/** The normal closure code, the only one a page may send besides its own. */
const DONE = 1000;

/**
 * @typedef {{type: string, data: any}} Frame
 * @typedef {{frame: (frame: Frame) => void, closed: () => void}} Heard
 */

/**
 * Opens a connection.
 * @param {string} sale
 * @param {string} place
 * @param {Heard} heard `closed` is told once, unless the page closed it
 * @returns {{close: () => void}}
 */
export function openSocket(sale, place, heard) {
  const url = new URL(`/v1/sales/${encodeURIComponent(sale)}/live`, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const socket = new WebSocket(url, SUB_PROTOCOL);
  const ended = new AbortController();
  const { signal } = ended;
  const end = () => {
    ended.abort();
    heard.closed();
  };
  socket.addEventListener('open', () => socket.send(JSON.stringify({ place })), { signal });
  socket.addEventListener('message', ({ data }) => hear(data, heard), { signal });
  socket.addEventListener('close', end, { signal });
  return {
    close() {
      ended.abort();
      socket.close(DONE);
    },
  };
}

/** @param {unknown} text @param {Heard} heard */
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
