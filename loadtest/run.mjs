/**
 * Runs a load test: `node run.mjs [SCENARIO]`, smoke when nothing is said.
 *
 *     node run.mjs --build      only builds k6
 *     node run.mjs most         steps the stampede up until something breaks, and says the most that held
 *     node run.mjs rehearsed    compares the forecast of a rehearsal (REPORT) with what k6's fans see of the same sale
 *
 * Against ONSALE_URL, or a sandbox of its own, which ends with it whatever happens. Exit code: 0 when everything held; k6's own when it
 * has one (99: a threshold); 1 for a summary that is missing, an audit that found something or a forecast that is off; 130 when it was
 * interrupted.
 */

import { join, resolve } from 'node:path';

import { ROOT, k6 } from './k6.mjs';
import { Rehearsal } from './rehearsal.mjs';
import { Sandbox } from './sandbox.mjs';
import { runScenario, verdictOf } from './scenario.mjs';

const INTERRUPTED = 130;
/** What a scenario needs of the sandbox, where nothing else is said. */
const SANDBOX_KNOBS = { 'payments-slow': { STRIPE_LATENCY_MS: '2000' }, most: { STRIPE_WRITES_PER_S: '10000' } };
/** The steps of `most`: people a second at first, by how much more each time, and how many steps at most. */
const { MOST_FROM = '50', MOST_FACTOR = '1.5', MOST_STEPS = '8' } = process.env;

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => interrupt.abort());

const name = process.argv[2] ?? 'smoke';
const at = new Date().toISOString().replace(/[:.]/g, '-');
const results = resolve(process.env.RESULTS || join(ROOT, 'target/load', `${name.replace(/[^\w-]+/g, '_')}-${at}`));

/** Everything in a sandbox, or where ONSALE_URL says. */
async function main() {
  await k6(interrupt.signal);
  if (name === '--build') return 0;
  const rehearsal = name === 'rehearsed' ? await Rehearsal.at(process.env.REPORT) : null;
  const sandbox = process.env.ONSALE_URL ? null : await Sandbox.start({ ...SANDBOX_KNOBS[name], ...rehearsal?.knobs, ...process.env });
  try {
    const code = name === 'most' ? await most(sandbox) : await one(sandbox, rehearsal);
    return (await isSound(sandbox)) ? code : code || 1;
  } finally {
    await sandbox?.stop();
  }
}

async function one(sandbox, rehearsal) {
  const how = { env: envOf(sandbox), folder: results, sandbox, signal: interrupt.signal };
  const { outcome, table } = rehearsal ? await rehearsal.plays(how) : { outcome: await runScenario(name, how) };
  if (table) console.log(`${table}\n`);
  console.log(verdictOf(outcome));
  return outcome.code || (outcome.faults.length > 0 ? 1 : 0);
}

/** Steps up until a step fails. The first one that fails is no failure of this, unless it is the very first. */
async function most(sandbox) {
  let held = null;
  for (let step = 0, per_s = Number(MOST_FROM); step < Number(MOST_STEPS); step += 1, per_s = Math.ceil(per_s * Number(MOST_FACTOR))) {
    const folder = join(results, String(per_s));
    const env = { ...stepOf(per_s), ...envOf(sandbox), JOINS_PER_S: String(per_s) };
    const outcome = await runScenario('stampede', { env, folder, sandbox, signal: interrupt.signal, isQuiet: true });
    const { summary, faults } = outcome;
    if (summary?.metrics.errors?.rate > 0) faults.push('there were errors that are no declared overload');
    console.log(`${per_s} joins/s  ${verdictOf(outcome)}`);
    if (faults.length > 0) break;
    held = per_s;
  }
  console.log(held === null ? 'the first step did not hold' : `the most that held: ${held} joins/s`);
  return held === null ? 1 : 0;
}

/** A sale that grows with the crowd, unless it is said what it is. */
function stepOf(per_s) {
  const grown = { PREQUEUE_FANS: 2 * per_s, SEATS: 4 * per_s, RATE_PER_S: per_s, MAX_SHOPPERS: 40 * per_s };
  return Object.fromEntries(Object.entries(grown).map(([knob, value]) => [knob, process.env[knob] || String(value)]));
}

const envOf = (sandbox) => ({ ...process.env, ...sandbox?.env });

/** The audit of everything in the sandbox; elsewhere the sale's own has to do. */
async function isSound(sandbox) {
  if (!sandbox || interrupt.signal.aborted) return true;
  const breaches = await sandbox.breaches();
  console.log(breaches ? `onsale audit found a breach:\n${breaches}` : '  audit    holds, in Postgres and in Redis');
  return !breaches;
}

try {
  const code = await main();
  process.exitCode = interrupt.signal.aborted ? INTERRUPTED : code;
} catch (failure) {
  console.error(`load test: ${failure instanceof Error ? failure.message : failure}`);
  process.exitCode = 1;
}
