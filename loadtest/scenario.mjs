/** One run of a scenario, and whether it passed: k6's exit code alone does not say so. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { K6_ENV, ROOT, k6 } from './k6.mjs';

/** How each file of a summary ends when it is whole. */
const ENDS = { 'summary.txt': 'end of summary\n', 'summary.json': '"complete": true\n}\n', 'summary.html': '</html>\n' };
/** How long a run may take, where nothing else is said; and how long ending early. */
const TIME_MAX_S = { soak: 4_800 };
const TIME_MAX_OTHERWISE_S = 1_200;
const END_WITHIN_MS = 60_000;
/** What k6 exits with when a threshold was crossed: which one is in the summary. */
export const THRESHOLD = 99;
const LEAP = 'set the clock ahead';

/** @typedef {{scenario: string, code: number, faults: string[], summary: any, folder: string, took_s: number}} Outcome */

/**
 * Runs a scenario, or a script by its path.
 * @param {string} scenario
 * @param {object} how
 * @param {NodeJS.ProcessEnv} how.env what the script is told
 * @param {string} how.folder for the summary; made when it is missing
 * @param {import('./sandbox.mjs').Sandbox} [how.sandbox] whose clock may be set ahead
 * @param {AbortSignal} [how.signal] ends it early
 * @param {boolean} [how.isQuiet] whether the summary is left to the files
 * @param {(line: string) => boolean} [how.takes] is given what the script says, and says whether it is not for people
 * @returns {Promise<Outcome>}
 */
export async function runScenario(scenario, { env, folder, sandbox, signal, isQuiet = false, takes = () => false }) {
  const script = scenario.endsWith('.js') ? scenario : join(ROOT, 'loadtest/scenarios', `${scenario}.js`);
  await mkdir(folder, { recursive: true });
  const started_ms = Date.now();
  const time_max_s = Number(env.TIME_MAX_S) || TIME_MAX_S[scenario] || TIME_MAX_OTHERWISE_S;
  const child = spawn(await k6(), ['run', '--quiet', script], {
    env: { ...process.env, ...K6_ENV, ...env, RESULTS: folder },
    stdio: ['ignore', isQuiet ? 'ignore' : 'inherit', 'pipe'],
    detached: true,
  });
  const faults = [];
  const ends = (why) => {
    faults.push(why);
    child.kill('SIGINT');
    // Unreferenced: it must not keep this process once k6 has ended.
    setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS).unref();
  };
  const interrupted = () => ends('it was interrupted');
  const late = setTimeout(() => ends(`it was not done after ${time_max_s} s`), time_max_s * 1_000);
  signal?.addEventListener('abort', interrupted, { once: true });
  if (signal?.aborted) interrupted();
  const heard = hears(child.stderr, { sandbox, isQuiet, takes });
  const code = await once(child, 'exit').then(([code]) => code ?? 1);
  await heard;
  clearTimeout(late);
  signal?.removeEventListener('abort', interrupted);
  if (code !== 0 && code !== THRESHOLD) faults.push(`k6 exited with ${code}`);
  const summary = await wholeSummary(folder, started_ms, faults);
  if (summary) judges(summary, faults);
  if (code === THRESHOLD && faults.length === 0) faults.push('a threshold was crossed');
  return { scenario, code, faults, summary, folder, took_s: (Date.now() - started_ms) / 1_000 };
}

/** Passes on what the script says, and does what it asks for. */
async function hears(stderr, { sandbox, isQuiet, takes }) {
  for await (const line of createInterface({ input: stderr })) {
    if (line.includes(LEAP)) sandbox?.leaps();
    else if (!takes(line) && !isQuiet) console.error(line);
  }
}

/** The summary, when all its files are there, of this run, and whole. */
async function wholeSummary(folder, started_ms, faults) {
  let summary = null;
  for (const [name, end] of Object.entries(ENDS)) {
    const file = join(folder, name);
    const [text, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)]).catch(() => ['', { mtimeMs: 0 }]);
    // Times of files are in steps of the kernel's clock.
    if (mtimeMs < started_ms - 20) faults.push(`${name} was not written`);
    else if (!text.endsWith(end)) faults.push(`${name} is not whole`);
    else if (name === 'summary.json') summary = JSON.parse(text);
  }
  return summary;
}

/** What k6 does not hold against a run: a metric that was never counted crosses no threshold. */
function judges({ metrics, thresholds }, faults) {
  const { passes = 0, fails = 0 } = metrics.audit_held ?? {};
  if (fails > 0) faults.push('the audit found a breach');
  else if (passes === 0) faults.push('there was no audit');
  if ((metrics.http_reqs?.count ?? 0) === 0) faults.push('nothing was asked');
  for (const { metric, expression, ok } of thresholds) if (!ok) faults.push(`${metric} ${expression}`);
}

/** A few lines for people. @param {Outcome} outcome */
export function verdictOf({ scenario, faults, summary, folder, took_s }) {
  const lines = [`${scenario}: ${faults.length === 0 ? 'passed' : 'FAILED'} in ${took_s.toFixed(0)} s`];
  lines.push(...faults.map((fault) => `  broken   ${fault}`));
  if (summary) lines.push(...figures(summary.metrics));
  lines.push(`  summary  ${join(folder, 'summary.html')}`);
  return lines.join('\n');
}

function figures(metrics) {
  const endings = Object.entries(metrics)
    .map(([name, { count }]) => [/^fans\{ending:(\w+)\}$/.exec(name)?.[1], count])
    .filter(([ending, count]) => ending && count > 0);
  const p99 = ['join', 'hold', 'order', 'pay'].map((name) => `${name} ${Math.round(metrics[`http_req_duration{name:${name}}`]?.['p(99)'] ?? 0)}`);
  const lines = [`  p99 ms   ${p99.join(', ')}, frame lag ${Math.round(metrics.socket_frame_lag?.['p(99)'] ?? 0)}`];
  if (endings.length > 0) lines.unshift(`  fans     ${endings.map(([ending, count]) => `${count} ${ending}`).join(', ')}`);
  if (metrics.units_sold) lines.push(`  units    ${metrics.units_sold.value} of ${metrics.units_capacity.value} sold`);
  return lines;
}
