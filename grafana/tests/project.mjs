/** The files that the tests read, and promtool. */

import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

export const GRAFANA = new URL('../', import.meta.url);
export const read = (/** @type {string} */ path) => readFileSync(new URL(path, GRAFANA), 'utf8');
export const filesIn = (/** @type {string} */ folder, /** @type {string} */ ending) =>
  readdirSync(new URL(`${folder}/`, GRAFANA)).filter((name) => name.endsWith(ending)).sort();

/** Runs promtool in a folder of ours; gives what it said, and whether all was well. */
export function promtool(/** @type {string} */ folder, /** @type {string[]} */ args) {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { cwd: new URL(`${folder}/`, GRAFANA), encoding: 'utf8' });
  if (error) throw error;
  return { well: status === 0, said: stdout + stderr };
}

/** How GitHub and others name the place of a heading. */
const anchorOf = (/** @type {string} */ heading) =>
  heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');

/** The entries of the runbook by their anchors. */
export function runbook() {
  const parts = read('../docs/runbook.md').split(/^#{1,3} /m).slice(1);
  return new Map(
    parts.map((part) => {
      const [title, ...text] = part.split('\n');
      return [anchorOf(title), { title, text: text.join('\n') }];
    }),
  );
}
