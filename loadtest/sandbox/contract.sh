#!/bin/sh
# Our client's requests against two servers that others wrote: the official stripe-mock, which knows Stripe's whole schema and
# remembers nothing, and localstripe, which knows less and remembers. Needs go, python3 and the network once; the programs stay
# in target/. Usage: contract.sh, from the root of the project.
set -eu

# Its schema is that of the API version our object types are made from, or the nearest one there is.
MOCK_VERSION=v0.203.0
LOCAL_VERSION=1.15.10
mock=target/stripe-mock-$MOCK_VERSION
local=target/localstripe-$LOCAL_VERSION

die() {
    echo "contract: $1" >&2
    exit "$2"
}

if [ ! -x "$mock/stripe-mock" ]; then
    command -v go >/dev/null || die "go is needed to install stripe-mock" 69
    GOBIN="$PWD/$mock" go install "github.com/stripe/stripe-mock@$MOCK_VERSION"
fi
# Its scripts name the folder they were made in, so after a move they are made anew.
if ! "$local/bin/localstripe" --help >/dev/null 2>&1; then
    rm -rf "$local"
    python3 -m venv "$local" || die "python3 with venv is needed to install localstripe" 69
    "$local/bin/pip" install --quiet "localstripe==$LOCAL_VERSION"
fi

logs=$(mktemp -d)
servers=
trap 'kill $servers 2>/dev/null || true; rm -rf "$logs"' EXIT INT TERM

# await NAME PID COMMAND...: until the command prints something, which is then the answer.
await() {
    name=$1 pid=$2
    shift 2
    for _ in $(seq 100); do
        answer=$("$@") || true
        [ -z "$answer" ] || return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    cat "$logs/$name" >&2
    die "$name did not start" 70
}

"$mock/stripe-mock" -http-addr 127.0.0.1:0 >"$logs/stripe-mock" 2>&1 &
servers=$!
await stripe-mock $! sed -n 's/.*HTTP.* \(127\.0\.0\.1:[0-9]*\).*/\1/p' "$logs/stripe-mock"
STRIPE_MOCK=http://$(echo "$answer" | head -1)

# It takes no port 0.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$local/bin/localstripe" --from-scratch --port "$port" >"$logs/localstripe" 2>&1 &
servers="$servers $!"
await localstripe $! sh -c "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", $port))' 2>/dev/null && echo up"
LOCALSTRIPE=http://127.0.0.1:$port

export STRIPE_MOCK LOCALSTRIPE
"${CARGO:-cargo}" test --locked --package payments --test it -- contract:: localstripe::
