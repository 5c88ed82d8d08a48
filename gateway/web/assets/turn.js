/**
 * Telling a person that it is their turn, once: on the page and to screen readers, in the title and on the icon of the tab,
 * and, where they asked for it, by a sound and by the system.
 */

import { Chime } from './chime.js';
import { part } from './page.js';

const WORDS = 'It is your turn!';
const VIBRATION_MS = [200, 100, 200];
const ICON = '/assets/icon.svg';
const ICON_OF_TURN = '/assets/icon_turn.svg';

const chime = new Chime();
let isTold = false;

/** Offers what the browser can do and the person has not refused. */
export function offerCues() {
  offerSound();
  offerNotification();
}

function offerSound() {
  const button = part('sound');
  button.hidden = !Chime.isPossible;
  button.addEventListener('click', async () => {
    await (chime.isOn ? chime.switchOff() : chime.switchOn());
    button.setAttribute('aria-pressed', String(chime.isOn));
  });
}

function offerNotification() {
  const button = part('remind');
  if (!('Notification' in window) || Notification.permission !== 'default') return;
  button.hidden = false;
  button.addEventListener('click', async () => {
    await Notification.requestPermission();
    button.hidden = true;
    part('sound').focus();
  });
}

/** Tells it, once until it is taken back. @param {string} saleName @param {string} time how long it lasts, in words */
export function tellTurn(saleName, time) {
  if (isTold) return;
  isTold = true;
  part('turn').textContent = time ? `${WORDS} You have ${time} to take tickets.` : WORDS;
  /** @type {HTMLLinkElement} */ (part('icon')).href = ICON_OF_TURN;
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(VIBRATION_MS);
  chime.sound();
  if (document.visibilityState === 'hidden') notify(saleName);
}

/** Takes it back: the turn was used or is over. */
export function takeTurnBack() {
  if (!isTold) return;
  isTold = false;
  part('turn').textContent = '';
  /** @type {HTMLLinkElement} */ (part('icon')).href = ICON;
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
