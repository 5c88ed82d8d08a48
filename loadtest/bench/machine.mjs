/** What the figures were made on: hardware, versions, what a sync takes, and what others took of the processor meanwhile. */

import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Where Debian keeps Postgres' programs, by version. */
const POSTGRES_VERSIONS = '/usr/lib/postgresql';
/** Seconds for each of the ways to sync that pg_test_fsync tries, of which there are some twenty. */
const SYNC_S = '1';

/** The programs that the sandbox would take: what is in PATH, or else the newest version. */
function postgresProgram(name) {
  let versions = [];
  try {
    versions = readdirSync(POSTGRES_VERSIONS).filter(Number).sort((one, other) => other - one);
  } catch {
    // Not Debian: it is in PATH.
  }
  return [name, ...versions.map((version) => join(POSTGRES_VERSIONS, version, 'bin', name))];
}

/** What the first of these programs that is there says; nothing when none is. */
async function saidBy(programs, ...args) {
  for (const program of programs) {
    try {
      return (await run(program, args)).stdout.trim();
    } catch (failure) {
      if (failure.code !== 'ENOENT') throw failure;
    }
  }
  return '';
}

/** What two columns of a table say of this machine. @returns {Promise<string[][]>} */
export async function describe(folder) {
  const [processor] = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  const [postgres, redis, rustc, commit, changed] = await Promise.all([
    saidBy(postgresProgram('postgres'), '--version'),
    saidBy(['redis-server', 'valkey-server'], '--version'),
    saidBy(['rustc'], '--version'),
    saidBy(['git'], '-C', folder, 'rev-parse', '--short', 'HEAD').catch(() => ''),
    saidBy(['git'], '-C', folder, 'status', '--porcelain', '--untracked-files=no').catch(() => ''),
  ]);
  return [
    ['processor', `${availableParallelism()} cores, ${processor.model.trim()}; client, server and stores share them`],
    ['memory', `${gib} GiB`],
    ['kernel', `${type()} ${release()}`],
    ['versions', [postgres.replace(/.*\((\w+)\) ([\d.]+).*/, '$1 $2'), redis.replace(/^(\w+) server v=([\d.]+).*/, '$1 $2'), rustc].join('; ')],
    ['of the project', `${commit || 'no commit'}${changed ? ', with changes' : ''}`],
    ['a sync of 8 KiB', await sync()],
  ];
}

/** What a commit waits for, as pg_test_fsync measures it where the private servers keep their files. */
async function sync() {
  const file = join(tmpdir(), `onsale-sync-${process.pid}`);
  try {
    const said = await saidBy(postgresProgram('pg_test_fsync'), '-s', SYNC_S, '-f', file);
    const us = /one 8kB write:[^]*?fdatasync +[\d.]+ ops\/sec +(\d+) usecs\/op/.exec(said)?.[1];
    return us ? `${us} us by fdatasync, as pg_test_fsync measures it` : 'not measured: no pg_test_fsync';
  } finally {
    await rm(file, { force: true });
  }
}

/** The load of the last 1, 5 and 15 minutes. */
export const load = () => loadavg().map((load) => load.toFixed(1)).join(', ');

/** How many cores others keep busy while we do nothing. */
export async function busyCores(time_ms) {
  const idle_ms = () => cpus().reduce((sum, { times }) => sum + times.idle, 0);
  const [before, begun] = [idle_ms(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, time_ms));
  return Math.max(0, cpus().length - (idle_ms() - before) / (performance.now() - begun));
}
