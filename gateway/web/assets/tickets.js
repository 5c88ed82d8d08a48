/** Tickets on the page: each with its QR code, drawn on white in every colour scheme so that scanners can read it. */

import { element } from './page.js';
import { delayMs } from './patience.js';

const QR_SIZE_PX = '240';
/** How often a QR code that did not load is asked for again. */
const LOADS_MAX = 6;
/** @type {Record<string, string>} */
const STATES = { valid: 'Valid', used: 'Already used', void: 'No longer valid' };

/** @typedef {{id: string, tier: string, unit: number, seat: string | null, state: string, qr_url: string, pdf_url?: string | null}} Ticket */

/**
 * The tickets of an order as list entries.
 * @param {Ticket[]} tickets
 * @param {any} sale
 */
export function ticketEntries(tickets, sale) {
  return tickets.map((ticket, index) => {
    const place = ticket.seat ? `Seat ${ticket.seat}` : `Ticket ${index + 1} of ${tickets.length}`;
    return ticketEntry(ticket, place, sale);
  });
}

/** @param {Ticket} ticket @param {string} place @param {any} sale */
function ticketEntry(ticket, place, sale) {
  const tier = sale.tiers.find((/** @type {any} */ { id }) => id === ticket.tier)?.name ?? ticket.tier;
  const entry = element('li', { class: 'ticket', 'data-state': ticket.state },
    element('strong', { class: 'name' }, sale.name),
    element('span', {}, `${tier} · ${place}`),
    element('span', { class: 'ticket-state' }, STATES[ticket.state] ?? ticket.state));
  if (ticket.state !== 'void') entry.append(qrCode(ticket, `${tier}, ${place}`));
  entry.append(element('code', {}, ticket.id));
  if (ticket.pdf_url) entry.append(element('a', { href: ticket.pdf_url, download: true }, 'PDF'));
  return entry;
}

/** @param {Ticket} ticket @param {string} description */
function qrCode(ticket, description) {
  const image = /** @type {HTMLImageElement} */ (element('img', {
    src: ticket.qr_url, alt: `QR code of your ticket: ${description}`, width: QR_SIZE_PX, height: QR_SIZE_PX,
  }));
  let loads = 1;
  image.addEventListener('error', () => {
    if (loads === LOADS_MAX) return;
    setTimeout(() => { image.src = ticket.qr_url; }, delayMs(loads));
    loads += 1;
  });
  return image;
}
