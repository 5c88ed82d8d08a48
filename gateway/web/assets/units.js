/** What somebody holds, in words. */

/**
 * An entry a tier: `2 × Stalls: A-1, A-2`.
 * @param {{tier: string, seat: string | null}[]} units @param {import('./prices.js').Tier[]} tiers
 */
export function unitsByTier(units, tiers) {
  return tiers
    .map(({ id, name }) => ({ name, of: units.filter(({ tier }) => tier === id) }))
    .filter(({ of }) => of.length > 0)
    .map(({ name, of }) => {
      const seats = of.flatMap(({ seat }) => seat ?? []);
      return `${of.length} × ${name}${seats.length > 0 ? `: ${seats.join(', ')}` : ''}`;
    });
}
