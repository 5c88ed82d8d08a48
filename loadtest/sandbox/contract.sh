#!/bin/sh
# Our client's requests against the official stripe-mock, which knows Stripe's whole schema. Needs go and the network once;
# the program stays in target/. Usage: contract.sh, from the root of the project.
set -eu

# Its schema is that of the API version our object types are made from, or the nearest one there is.
VERSION=v0.203.0
mock=target/stripe-mock-$VERSION/stripe-mock

if [ ! -x "$mock" ]; then
    command -v go >/dev/null || { echo "contract: go is needed to install stripe-mock" >&2; exit 69; }
    GOBIN="$PWD/target/stripe-mock-$VERSION" go install "github.com/stripe/stripe-mock@$VERSION"
fi

log=$(mktemp)
"$mock" -http-addr 127.0.0.1:0 >"$log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; rm -f "$log"' EXIT INT TERM

address=
for _ in $(seq 100); do
    address=$(sed -n 's/.*HTTP.* \(127\.0\.0\.1:[0-9]*\).*/\1/p' "$log" | head -1)
    [ -z "$address" ] || break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
[ -n "$address" ] || { cat "$log" >&2; echo "contract: stripe-mock did not start" >&2; exit 70; }

STRIPE_MOCK="http://$address" "${CARGO:-cargo}" test --locked --package payments --test it contract::
