/** Every dashboard, as the files have it. */

import { edge } from './edge.mjs';
import { ledger } from './ledger.mjs';
import { loadTest } from './load_test.mjs';
import { sale } from './sale.mjs';
import { stores } from './stores.mjs';

export const DASHBOARDS = [sale, edge, stores, ledger, loadTest];

/** What the file of a dashboard says. */
export const textOf = (/** @type {object} */ dashboard) => `${JSON.stringify(dashboard, null, 2)}\n`;
