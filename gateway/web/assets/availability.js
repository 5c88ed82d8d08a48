/** What is left of a tier, in words. */

/** Up to here the number itself is worth knowing. */
const COUNTED_MAX = 50;

/**
 * @typedef {{level: 'many' | 'few' | 'all_held' | 'none', remaining?: number | null}} Availability
 */

/**
 * The words for what is left.
 * @param {Availability | null | undefined} availability
 */
export function leftInWords(availability) {
  switch (availability?.level) {
    case 'many': return 'Available';
    case 'few': return (availability.remaining ?? Infinity) > COUNTED_MAX ? 'Few left' : `Only ${availability.remaining} left`;
    case 'all_held': return 'All in baskets right now – some usually come back';
    case 'none': return 'None left now';
    default: return '';
  }
}

/**
 * The sale's tiers with fresher availability laid over them.
 * @template {{id: string, availability: Availability}} Tier
 * @param {Tier[]} tiers
 * @param {any} fresh a list of `{tier, level, remaining}`
 * @returns {Tier[]}
 */
export function withAvailability(tiers, fresh) {
  if (!Array.isArray(fresh)) return tiers;
  return tiers.map((tier) => {
    const found = fresh.find((entry) => entry.tier === tier.id);
    return found ? { ...tier, availability: { level: found.level, remaining: found.remaining } } : tier;
  });
}
