/**
 * Writes `dashboards/*.json` out of `source/`: `node grafana/generate.mjs`. A test keeps the two the same.
 *
 * The JSON is what Grafana provisions and is committed; it is not edited by hand.
 */

import { writeFileSync } from 'node:fs';

import { DASHBOARDS, textOf } from './source/dashboards.mjs';

for (const made of DASHBOARDS) {
  const file = new URL(`./dashboards/${made.uid}.json`, import.meta.url);
  writeFileSync(file, textOf(made));
  console.log(`${made.uid}: ${made.panels.length} panels and rows`);
}
