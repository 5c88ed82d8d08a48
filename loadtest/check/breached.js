/** Smoke in a sale of another name, which the check finds by it and breaks in the database while it runs. */

import { putsOnSale } from '../lib/sale.js';
import { summaryOf } from '../lib/summary.js';

export { default, options, teardown } from '../scenarios/smoke.js';
export const setup = () => putsOnSale('breached', 50);
export const handleSummary = summaryOf('breached');
