/** A rehearsal that k6 plays again: what its report asks of the sandbox, the run, and the comparison beside its summary. */

import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { brokenOf, compared, figuresOf, tableOf, toldBy } from './forecast.mjs';
import { runScenario } from './scenario.mjs';

/** For starting, settling and the audit. */
const BESIDE_S = 600;

export class Rehearsal {
  #report;
  #path;

  constructor(report, path) {
    this.#report = report;
    this.#path = path;
  }

  /** Reads report.json. @param {string} path */
  static async at(path) {
    if (!path) throw new Error('REPORT is not set: report.json of a rehearsal, as `onsale rehearse` writes it');
    const report = JSON.parse(await readFile(path, 'utf8'));
    if (!report.verdict.complete) throw new Error(`${path}: the rehearsal did not come to its end, so it forecasts nothing`);
    if (report.faults.length > 0) throw new Error(`${path}: things went wrong on purpose in this rehearsal, which k6 does not do`);
    return new Rehearsal(report, resolve(path));
  }

  /** How Stripe answers in it. */
  get knobs() {
    const { answer_s, sigma, writes_per_s } = this.#report.rehearsed.crowd.payments;
    return {
      STRIPE_LATENCY_MS: String(Math.round(answer_s * 1_000)), STRIPE_LATENCY_SIGMA: String(sigma),
      STRIPE_WRITES_PER_S: String(Math.max(1, Math.round(writes_per_s))),
    };
  }

  /** Plays it; a promised figure that is off is a fault of the run. Gives the outcome, and the table. */
  async plays({ env, ...how }) {
    const [stories, sold] = [[], []];
    const takes = (line) => {
      const told = toldBy(line);
      if (told?.story) stories.push(told.story);
      if (told?.sold) sold.push(told.sold);
      return told !== null;
    };
    const { before_s } = this.#report.rehearsed.crowd.arrivals;
    const { after_s } = this.#report.forecast.paid_units_at.at(-1);
    const own = { REPORT: this.#path, TIME_MAX_S: env.TIME_MAX_S || String(Math.ceil(before_s + 1.5 * after_s + BESIDE_S)) };
    const outcome = await runScenario('rehearsed', { env: { ...env, ...own }, takes, ...how });
    const rows = compared(this.#report, figuresOf(stories, sold, this.#report.sale.units));
    await writeFile(join(how.folder, 'forecast.json'), `${JSON.stringify(rows, null, 2)}\n`);
    const untold = this.#report.counts.outcome.fans - stories.length;
    if (untold > 0) outcome.faults.push(`${untold} fans told nothing of how it went`);
    outcome.faults.push(...brokenOf(rows).map((broken) => `the forecast is off: ${broken}`));
    return { outcome, table: tableOf(rows) };
  }
}
