/** The objectives, which load tests, alerts and dashboards share. */

import { readFileSync } from 'node:fs';

export const SLO = JSON.parse(readFileSync(new URL('../../loadtest/slo.json', import.meta.url), 'utf8'));

/** Which requests each objective of time is for; everything that is in none of these has the default. */
export const ROUTES = {
  hold: 'http_request_method="POST",http_route="/v1/sales/{sale}/holds"',
  order: 'http_request_method="POST",http_route="/v1/sales/{sale}/orders"',
  pay: 'http_request_method="POST",http_route="/v1/sales/{sale}/orders/{order}/pay"',
  webhook: 'http_request_method="POST",http_route="/v1/stripe/webhook"',
};
