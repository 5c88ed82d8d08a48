/**
 * A link that lends one's place to another device.
 *
 * The place token is in the fragment, which no browser sends to any server. Who opens the link takes it out of the address
 * bar at once and proves the place with it; both devices then stand at the same place.
 */

import { salePage } from './address.js';

const NAME = 'place';

/** @param {string} slug @param {string} token @param {string} [origin] */
export const placeLink = (slug, token, origin = location.origin) =>
  `${origin}${salePage(slug)}#${new URLSearchParams({ [NAME]: token })}`;

/** The token that a link carried; empty when it was no such link. @param {URLSearchParams} fragment */
export const lentPlace = (fragment) => fragment.get(NAME) ?? '';
