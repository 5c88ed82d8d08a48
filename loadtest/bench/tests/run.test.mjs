/** How the runner ends, over benches that are scripts, which a cargo that is one has built. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const RUNNER = fileURLToPath(new URL('../run.mjs', import.meta.url));
const PAGE = new URL('../../../docs/performance.md', import.meta.url);

const figure = (name, value, target = null) => `figure ${JSON.stringify({ name, value, unit: '/s', reference: null, target })}`;
const atMostOne = (must) => ({ of: 'value', at_most: 1, must });
const says = (...lines) => lines.map((line) => `echo '${line}'`).join('\n');

/** Runs the runner over these scripts by their names; gives its exit code, all that it said, and what it kept. */
async function run(benches, env = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'onsale-bench-'));
  const program = (name, script) => writeFile(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  try {
    const names = Object.keys(benches);
    const metadata = { packages: [{ name: 'crate', targets: names.map((name) => ({ name, kind: ['bench'] })) }] };
    const built = names.map((name) => ({ reason: 'compiler-artifact', manifest_path: join(folder, 'Cargo.toml'), executable: join(folder, name), target: { name, kind: ['bench'] } }));
    await program('cargo', `if [ "$1" = metadata ]; then\n${says(JSON.stringify(metadata))}\nelse\n${says(...built.map((line) => JSON.stringify(line)))}\nfi`);
    // The real one takes a quarter of a minute.
    await program('pg_test_fsync', 'exit 0');
    for (const [name, script] of Object.entries(benches)) await program(name, script);
    const RESULTS = join(folder, 'results');
    const child = spawn(process.execPath, [RUNNER], {
      env: { ...process.env, PATH: `${folder}:${process.env.PATH}`, CARGO: join(folder, 'cargo'), RUNS: '1', ONLY: '', RESULTS, ...env },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
    const [code] = await once(child, 'close');
    const kept = await readdir(RESULTS).catch(() => []);
    const table = await readFile(join(RESULTS, 'table.md'), 'utf8').catch(() => '');
    return { code, said, kept, table };
  } finally {
    await rm(folder, { recursive: true });
  }
}

// At once: what takes time is the runner's pause before each bench.
describe('the runner', { concurrency: true }, () => {
  test('all that benches print is in one table, and a target that is missed is no failure', async () => {
    const before = await readFile(PAGE, 'utf8');
    const { code, said, kept, table } = await run({ one: says(figure('holds', 2, atMostOne(false))), two: says('a row', figure('joins', 1)) }, { RUNS: '2' });
    assert.equal(code, 0, said);
    assert.match(said, /^holds +2\/s +at most 1\/s +missed$/m);
    assert.match(table, /\| holds \| 2\/s \| +\| +\| at most 1\/s \| missed \|\n\| joins \| 1\/s \|/);
    assert.match(table, /\| others on the machine \| load .* before; between runs they kept/);
    assert.deepEqual(kept.sort(), ['one-1.txt', 'one-2.txt', 'table.md', 'two-1.txt', 'two-2.txt']);
    assert.equal(await readFile(PAGE, 'utf8'), before, 'two runs are not written down');
  });

  test('benches go by turns', async () => {
    const { said } = await run({ one: says(figure('holds', 2)), two: says(figure('joins', 1)) }, { RUNS: '2' });
    assert.deepEqual([...said.matchAll(/^run (\d) of 2 +(\w+)/gm)].map(([, number, name]) => number + name), ['1one', '1two', '2one', '2two']);
  });

  test('a bench that fails fails the runner, and the others are measured', async () => {
    const { code, said } = await run({ one: `${says(figure('holds', 2))}\nexit 3`, two: says(figure('joins', 1)) });
    assert.equal(code, 1);
    assert.match(said, /bench: one, run 1: it ended with 3/);
    assert.match(said, /^joins +1\/s/m);
  });

  test('a bench without figures, or with others each time, fails the runner', async () => {
    const moods = `[ -e mood ] && ${says(figure('joins', 1))} || ${says(figure('holds', 2))}\ntouch mood`;
    const [silent, moody] = await Promise.all([run({ one: says('a row') }), run({ one: moods }, { RUNS: '2' })]);
    assert.equal(silent.code, 1);
    assert.match(silent.said, /bench: one, run 1: it prints no figure/);
    assert.equal(moody.code, 1);
    assert.match(moody.said, /bench: one: its runs print different figures:\nholds\n\njoins/);
  });

  test('a bound that is broken fails the runner', async () => {
    const { code, said } = await run({ one: says(figure('holds', 2, atMostOne(true))) });
    assert.equal(code, 1);
    assert.match(said, /BROKEN[^]*bench: holds is out of its bound/);
  });

  test('one bench alone is shown with all that it prints, and one that is not there is named', async () => {
    const benches = { one: says('a row', figure('holds', 2)), two: says(figure('joins', 1)) };
    const [alone, nobody] = await Promise.all([run(benches, { ONLY: 'one' }), run(benches, { ONLY: 'three' })]);
    assert.equal(alone.code, 0);
    assert.match(alone.said, /^a row$/m);
    assert.doesNotMatch(alone.said, /joins/);
    assert.equal(nobody.code, 1);
    assert.match(nobody.said, /there is no bench three; there are one, two/);
  });
});
