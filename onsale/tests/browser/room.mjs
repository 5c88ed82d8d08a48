/** A sale of its own for each scenario, with people in it. */

import { Crowd } from './crowd.mjs';
import { Organizer } from './organizer.mjs';
import { Rival } from './rival.mjs';
import { Visitor } from './visitor.mjs';

/** Nobody gets in but one, who takes their time. */
const BLOCKED = { rate_per_s: 50, burst: 50, max_shoppers: 1 };

/**
 * @typedef {object} Room
 * @property {string} base
 * @property {{id: string, url: string}} sale
 * @property {Organizer} organizer
 * @property {Crowd} crowd
 * @property {(page: import('playwright-core').Page) => Visitor} visitor
 * @property {() => Promise<Rival>} rival somebody else who gets a turn
 */

/**
 * @typedef {object} Stay
 * @property {string} title
 * @property {import('./browser.mjs').Settings} [settings]
 * @property {number} [ahead] people in line before; the first of them is inside and keeps everybody else out
 * @property {() => Record<string, unknown>} [config] what the sale differs in
 * @property {string} [state] in which it is when the scenario begins
 * @property {(room: Room, stage: import('./scenario.mjs').Stage) => Promise<void>} run
 */

/**
 * The stays as scenarios at a gateway.
 * @param {Stay[]} stays @param {string} base @param {string} key the organizer's
 * @returns {import('./scenario.mjs').Scenario[]}
 */
export function scenariosOf(stays, base, key) {
  const organizer = new Organizer(base, key);
  /** The same gateway may be stayed at many times. */
  const runId = Date.now().toString(36);
  return stays.map(({ title, settings, ahead = 0, config = () => ({}), state, run }) => ({
    title,
    settings,
    async run(stage) {
      const sale = await organizer.publishes(`${stage.name}-${runId}`, { ...(ahead > 0 && { admission: BLOCKED }), ...config() }, state);
      const crowd = new Crowd(base, sale.id);
      const visitor = (/** @type {import('playwright-core').Page} */ page) => new Visitor(page, sale.url, stage.shot);
      try {
        await crowd.joins(ahead);
        await run({ base, sale, organizer, crowd, visitor, rival: () => Rival.enters(base, sale.id) }, stage);
      } finally {
        await crowd.disperses();
      }
    },
  }));
}
