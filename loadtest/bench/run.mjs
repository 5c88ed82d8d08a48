/**
 * Runs every bench several times and makes one table of their figures: `node run.mjs`, or `make bench`.
 *
 *     RUNS=5        how often each is run; 3 when nothing is said
 *     ONLY=holds    only the bench of that name, with all that it prints
 *     WRITE=0       leaves docs/performance.md as it is
 *     RESULTS=dir   where it is kept what each bench printed; target/bench/{time} when nothing is said
 *
 * All benches are built before the first one runs. They go by turns, each once before any goes again, so that a slow quarter of an
 * hour of the machine is in one run of many and not in all of one. A target that is missed is said in the table and no more. The
 * page is written when all of them ran at least three times.
 *
 * Exit code: 0; 1 when a bench failed, printed no figure or not the same ones each time, or a bound that holds on any machine is
 * broken; 130 when it was interrupted.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { columns, figuresOf, isBroken, markdown, rowsOf, spreadOf, tableOf, withFigures } from './figures.mjs';
import { busyCores, describe, load } from './machine.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PAGE = join(ROOT, 'docs/performance.md');
const INTERRUPTED = 130;
/** Fewer runs than these say nothing of spread, and are not written down. */
const RUNS_MIN = 3;
/** A pause before each run of a bench, in which it is seen what others do. */
const PAUSE_MS = 1_000;
/** How long one run of a bench may take: ten million entries are some twenty minutes. */
const BENCH_MAX_MS = 3_600_000;

const { CARGO = 'cargo', ONLY = '', WRITE = '1' } = process.env;
const RUNS = Number(process.env.RUNS || RUNS_MIN);

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => interrupt.abort());

/** Runs a program to its end; gives its output. What it prints is also shown where that is wanted. */
async function runs(program, args, { isShown = false, ...options } = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], signal: interrupt.signal, killSignal: 'SIGTERM', ...options });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    printed += text;
    if (isShown) process.stdout.write(text);
  });
  const [code, signal] = await once(child, 'close');
  return { printed, fault: code === 0 ? '' : `it ended with ${signal ?? code}` };
}

/** The benches of the workspace, in the order of its crates. */
async function benches() {
  const { printed } = await runs(CARGO, ['metadata', '--format-version', '1', '--no-deps', '--locked'], { cwd: ROOT });
  const named = JSON.parse(printed).packages.flatMap(({ name, targets }) =>
    targets.filter(({ kind }) => kind.includes('bench')).map((target) => ({ crate: name, name: target.name })),
  );
  const wanted = named.filter(({ name }) => !ONLY || name === ONLY);
  if (wanted.length === 0) throw new Error(`there is no bench ${ONLY}; there are ${named.map(({ name }) => name).join(', ')}`);
  return wanted;
}

/** Builds them all; gives the program of each, and where it is run. */
async function built(wanted) {
  const crates = [...new Set(wanted.map(({ crate }) => crate))].flatMap((crate) => ['--package', crate]);
  const named = wanted.flatMap(({ name }) => ['--bench', name]);
  const { printed, fault } = await runs(CARGO, ['bench', '--no-run', '--locked', '--message-format=json-render-diagnostics', ...crates, ...named], { cwd: ROOT });
  if (fault) throw new Error('the benches do not build');
  const programs = printed
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter(({ reason, executable, target }) => reason === 'compiler-artifact' && executable && target.kind.includes('bench'));
  return wanted.map(({ name }) => {
    const { executable, manifest_path } = programs.find(({ target }) => target.name === name);
    return { name, program: executable, folder: dirname(manifest_path), figures: [], faults: [] };
  });
}

/** Runs a bench once, and keeps its figures or what is wrong with them. */
async function measure(bench, number, folder) {
  const begun = Date.now();
  const { printed, fault } = await runs(bench.program, [], { cwd: bench.folder, isShown: Boolean(ONLY), timeout: BENCH_MAX_MS });
  await writeFile(join(folder, `${bench.name}-${number}.txt`), printed);
  try {
    if (fault) throw new Error(fault);
    bench.figures.push(figuresOf(printed));
  } catch (failure) {
    bench.faults.push(`${bench.name}, run ${number}: ${failure.message}`);
  }
  console.log(`run ${number} of ${RUNS}  ${bench.name.padEnd(12)} ${Math.round((Date.now() - begun) / 1_000)} s${bench.faults.length > 0 ? '  FAILED' : ''}`);
}

/** The rows of all benches whose figures can be put together. */
function rowsOfAll(benches) {
  return benches.filter(({ figures }) => figures.length > 0).flatMap((bench) => {
    try {
      return rowsOf(bench.figures);
    } catch (failure) {
      bench.faults.push(`${bench.name}: ${failure.message}`);
      return [];
    }
  });
}

/** What is written to the page. */
function pageOf({ machine, loadBefore, others, minutes, table }) {
  const { median, most } = spreadOf(others);
  const noise = `load ${loadBefore} before; between runs they kept ${median.toFixed(2)} cores busy, at most ${most.toFixed(2)}`;
  const about = [['', ''], ...machine, ['others on the machine', noise]];
  const date = new Date().toISOString().slice(0, 10);
  return [
    `\`make bench\` on ${date}, ${RUNS} runs of every bench by turns in ${minutes} minutes. A cell has the median of the runs, and the least and`,
    'the most; a ratio is that of figures of the same run.',
    '',
    markdown(about),
    '',
    markdown(table),
  ].join('\n');
}

async function main() {
  if (!(RUNS >= 1)) throw new Error(`RUNS=${process.env.RUNS} is no number of runs`);
  const loadBefore = load();
  const begun = Date.now();
  const all = await built(await benches());
  const machine = await describe(ROOT);
  const folder = resolve(process.env.RESULTS || join(ROOT, 'target/bench', new Date().toISOString().replace(/[:.]/g, '-')));
  await mkdir(folder, { recursive: true });
  const others = [];
  for (let number = 1; number <= RUNS; number += 1) {
    for (const bench of all) {
      others.push(await busyCores(PAUSE_MS));
      await measure(bench, number, folder);
    }
  }
  const rows = rowsOfAll(all);
  const table = tableOf(rows);
  console.log(`\n${columns(table)}\n`);
  const faults = all.flatMap(({ faults }) => faults);
  const broken = rows.filter(isBroken).map(({ name }) => `${name} is out of its bound`);
  const page = pageOf({ machine, loadBefore, others, minutes: Math.round((Date.now() - begun) / 60_000), table });
  await writeFile(join(folder, 'table.md'), `${page}\n`);
  for (const fault of [...faults, ...broken]) console.error(`bench: ${fault}`);
  if (ONLY || RUNS < RUNS_MIN || faults.length > 0 || WRITE === '0') console.log(`the page is left as it is; the table is in ${folder}`);
  else await writeFile(PAGE, withFigures(await readFile(PAGE, 'utf8'), page));
  return faults.length > 0 || broken.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (failure) {
  console.error(`bench: ${failure instanceof Error ? failure.message : failure}`);
  process.exitCode = interrupt.signal.aborted ? INTERRUPTED : 1;
}
