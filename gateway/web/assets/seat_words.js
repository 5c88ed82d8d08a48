/** Seats in a sentence. */

/** Named one by one, up to so many: more would not be read. */
const NAMED_MAX = 6;

/** Some seats: `A-1`, `A-1 and A-2`, `A-1, A-2 and A-3`. @param {string[]} names */
export function seatsInWords(names) {
  if (names.length > NAMED_MAX) return `${names.length} seats`;
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/**
 * The seats of an item that the server pointed at; all of them when it pointed at none.
 * @param {{pointer: string}[]} errors @param {number} index of the item @param {string[]} seats of the item
 */
export function seatNamesIn(errors, index, seats) {
  const pointed = errors.flatMap(({ pointer }) => {
    const [, item, seat] = /^\/items\/(\d+)\/seats\/(\d+)$/.exec(pointer) ?? [];
    return Number(item) === index ? seats[Number(seat)] ?? [] : [];
  });
  return errors.length > 0 ? pointed : seats;
}
