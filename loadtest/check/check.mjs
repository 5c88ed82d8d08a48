/**
 * Checks the load tests themselves, in half a minute: that every scenario can be read by k6, that smoke passes, and that a run fails
 * where it must: a threshold, a summary, a breach. Everything in one sandbox, which ends with it.
 */

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { K6_ENV, ROOT, k6 } from '../k6.mjs';
import { Rehearsal } from '../rehearsal.mjs';
import { Sandbox } from '../sandbox.mjs';
import { THRESHOLD, runScenario, verdictOf } from '../scenario.mjs';

const run = promisify(execFile);
const LOADTEST = join(ROOT, 'loadtest');
const BREAK_WITHIN_MS = 30_000;
/** Few people who do not think: whatever else the machine does, so times are not bounded. */
const QUICK = { FANS: '4', THINK_S: '0.2', SLO_FACTOR: '1000' };
/** Of a sale that takes seconds, and forecast to take minutes. */
const REPORT = join(LOADTEST, 'check/report.json');
/** A unit that nobody sold is not there to be sold any more, and the books know nothing of it. */
const BREACH = `SET session_replication_role = replica;
  UPDATE units SET state = 'withheld' WHERE (sale_id, tier_id, unit_no) IN (
    SELECT sale_id, tier_id, max(unit_no) FROM units JOIN sales ON sales.id = units.sale_id
     WHERE slug LIKE 'load-breached-%' GROUP BY sale_id, tier_id) RETURNING 'broken'`;

let failed = 0;
function expect(what, isSo, seen = '') {
  console.log(`${isSo ? 'ok' : 'FAILED'} ${what}${isSo ? '' : `\n${seen}`}`);
  if (!isSo) failed += 1;
}

async function sources() {
  const files = (await readdir(LOADTEST, { recursive: true })).filter((file) => /^(lib|scenarios|check)\/.*\.js$/.test(file));
  return Promise.all(files.map(async (file) => ({ file, text: await readFile(join(LOADTEST, file), 'utf8') })));
}

/** The rules of the house: what reading can tell. */
async function rules() {
  const all = await sources();
  const readme = await readFile(join(LOADTEST, 'README.md'), 'utf8');
  const known = [...readme.matchAll(/^\| `([A-Z0-9_]+)`/gm)].map(([, knob]) => knob);
  const runner = ['TIME_MAX_S', 'K6', 'ONSALE', 'STRIPE_LATENCY_MS', 'STRIPE_LATENCY_SIGMA', 'STRIPE_WRITES_PER_S', 'MOST_FROM', 'MOST_FACTOR', 'MOST_STEPS'];
  const knobs = all.flatMap(({ text }) => [...text.matchAll(/\b(?:text|number|count|share)\('([A-Z0-9_]+)'/g)].map(([, knob]) => knob));
  const wanted = [...new Set([...knobs, ...runner])].sort();
  expect('the README has a row for each knob, and no other', String(wanted) === String([...new Set(known)].sort()), `${wanted}\n${known.sort()}`);
  const scenarios = all.filter(({ file }) => file.startsWith('scenarios/')).map(({ file }) => file.slice('scenarios/'.length, -'.js'.length));
  const unnamed = scenarios.filter((scenario) => !readme.includes(`| *${scenario}* |`));
  expect('the README has a row for each scenario', unnamed.length === 0, unnamed);
  const imports = all.flatMap(({ file, text }) => [...text.matchAll(/from '([^']+)'/g)].map(([, from]) => ({ file, from })));
  const foreign = imports.filter(({ from }) => !/^(\.\.?\/[\w./-]+\.js|k6|k6\/(execution|http|metrics|websockets))$/.test(from));
  expect('nothing is imported from elsewhere', foreign.length === 0, JSON.stringify(foreign));
  const asking = imports.filter(({ file, from }) => (from === 'k6/http' && file !== 'lib/http.js') || (from === 'k6/websockets' && file !== 'lib/live.js'));
  expect('requests go out in one place, which names them', asking.length === 0, JSON.stringify(asking));
  return scenarios;
}

async function inspects(scenarios) {
  const program = await k6();
  for (const scenario of scenarios) {
    const script = join(LOADTEST, 'scenarios', `${scenario}.js`);
    const failure = await run(program, ['inspect', '--include-system-env-vars', script], { env: { ...process.env, ...K6_ENV, REPORT } }).then(() => '', ({ stderr }) => stderr);
    expect(`${scenario} can be read`, failure === '', failure);
  }
}

/** Breaks the sale of `breached.js` as soon as it is there. */
async function breaks(postgres) {
  for (const late = Date.now() + BREAK_WITHIN_MS; Date.now() < late;) {
    const { stdout } = await run('psql', ['-d', postgres, '-Atqc', BREACH], { env: withServerPrograms() });
    if (stdout.includes('broken')) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('there was nothing to break');
}

/** Debian keeps psql in the path, others beside the server. */
const withServerPrograms = () => ({ ...process.env, PATH: `${process.env.PATH}:/opt/homebrew/opt/postgresql@17/bin:/usr/pgsql-17/bin` });

async function runs(sandbox, folder) {
  const runOf = (scenario, name, env = {}) =>
    runScenario(scenario, { env: { ...sandbox.env, ...QUICK, ...env }, folder: join(folder, name), sandbox, isQuiet: true });
  const rehearsal = await Rehearsal.at(REPORT);
  const rehearsed = rehearsal.plays({ env: { ...sandbox.env, ...QUICK }, folder: join(folder, 'rehearsed'), sandbox, isQuiet: true });
  const [smoke, threshold, summary, { outcome: played, table }] = await Promise.all([
    runOf('smoke', 'smoke'),
    runOf('smoke', 'threshold', { SLO_FACTOR: '0' }),
    runOf(join(LOADTEST, 'check/broken_summary.js'), 'summary'),
    rehearsed,
  ]);
  expect('smoke passes', smoke.code === 0 && smoke.faults.length === 0, verdictOf(smoke));
  expect('a threshold that is crossed fails the run', threshold.code === THRESHOLD && threshold.faults.length > 0, verdictOf(threshold));
  const unwritten = ['txt', 'json', 'html'].every((kind) => summary.faults.includes(`summary.${kind} was not written`));
  expect('a summary that fails fails the run', summary.code === 0 && unwritten, verdictOf(summary));
  const isPlayed = played.code === 0 && played.faults.every((fault) => fault.startsWith('the forecast is off: ')) && /^units sold +6 +6 /m.test(table);
  expect('a rehearsed sale is played to its end by fans who all tell of it', isPlayed, `${verdictOf(played)}\n${table}`);
  const isOff = played.faults.some((fault) => fault.startsWith('the forecast is off: 50 % paid for after, s: forecast 500, '));
  expect('a forecast that is off fails the run', isOff, verdictOf(played));
  expect('onsale audit holds afterwards', (await sandbox.breaches()) === '');
  const [breached] = await Promise.all([runOf(join(LOADTEST, 'check/breached.js'), 'breached'), breaks(sandbox.postgres)]);
  const isFound = breached.code === THRESHOLD && breached.faults.includes('the audit found a breach');
  expect('a breach fails the run', isFound, verdictOf(breached));
  expect('onsale audit finds it, too', (await sandbox.breaches()).includes('BROKEN'));
}

await inspects(await rules());
const folder = await mkdtemp(join(tmpdir(), 'onsale-load-'));
const sandbox = await Sandbox.start({});
try {
  await runs(sandbox, folder);
} finally {
  await sandbox.stop();
}
if (failed === 0) await rm(folder, { recursive: true });
else console.log(`what was written is in ${folder}`);
process.exitCode = failed === 0 ? 0 : 1;
