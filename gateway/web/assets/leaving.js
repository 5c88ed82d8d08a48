/** What it means to leave: from the queue for good, from the draw until one registers again. */

/** @typedef {'prequeue' | 'queue'} Line */

/** Offered, and asked before. @type {Record<Line, {button: string, title: string, message: string}>} */
export const LEAVING = {
  prequeue: {
    button: 'Leave the draw',
    title: 'Leave the draw?',
    message: 'You can register again until the draw begins; when you register makes no difference.',
  },
  queue: {
    button: 'Leave the queue',
    title: 'Leave the queue?',
    message: 'Your number is given up for good, on all your devices. Should you join again, you start at the end.',
  },
};

/** Said afterwards. @type {Record<Line, {title: string, message: string, next: string}>} */
export const LEFT = {
  prequeue: {
    title: 'You left the draw',
    message: 'This browser does not wait for a turn any more.',
    next: 'Should you change your mind, register again before the draw begins. You have missed nothing until then.',
  },
  queue: {
    title: 'You left the queue',
    message: 'Your place is given up, here and on your other devices.',
    next: 'Should you change your mind, you can join again. You then start at the end.',
  },
};
