/** Telling a person that it is their turn: once, in the title, aloud to screen readers and, when they asked, by the system. */

import { part } from './page.js';

const WORDS = 'It is your turn!';
const VIBRATION_MS = [200, 100, 200];

let isTold = false;

/** Offers a notification by the system, where there is such a thing and it was not refused. */
export function offerReminder() {
  const button = part('remind');
  if (!('Notification' in window) || Notification.permission !== 'default') return;
  button.hidden = false;
  button.addEventListener('click', async () => {
    await Notification.requestPermission();
    button.hidden = true;
  });
}

/** Tells it, once until it is taken back. @param {string} saleName */
export function tellTurn(saleName) {
  if (isTold) return;
  isTold = true;
  part('turn').textContent = WORDS;
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(VIBRATION_MS);
  if (document.visibilityState === 'hidden') notify(saleName);
}

/** Takes it back: the turn was used or is over. */
export function takeTurnBack() {
  isTold = false;
  part('turn').textContent = '';
}

/** @param {string} saleName */
function notify(saleName) {
  if (!('Notification' in window) || Notification.permission !== 'granted') return;
  try {
    const notification = new Notification(WORDS, { body: saleName, tag: 'turn' });
    notification.addEventListener('click', () => focus());
  } catch {
    // Some mobile browsers have the constructor but allow it to service workers only; the title still says it.
  }
}
