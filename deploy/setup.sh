#!/bin/sh
# Makes what docker-compose.yml needs before its first start: secrets as files, and .env. What is there is kept.
# Usage: deploy/setup.sh         everything but what only you know; says what is missing, and ends with 1 while something is
#        deploy/setup.sh demo    everything, pointed at the fake Stripe and the mail catcher of the profile demo
#
# Compose mounts a secret with the owner and the rights of its file, and whoever reads it in a container is not its owner. So
# anybody may read the files, and nobody but you gets into their folder.
set -eu
cd "$(dirname "$0")/.."

mode=${1:-live}
case $mode in
live | demo) ;;
*)
    echo "usage: deploy/setup.sh [demo]" >&2
    exit 64
    ;;
esac
folder=deploy/secrets

keep() { # keep NAME TEXT: makes the secret, unless there is one
    [ -e "$folder/$1" ] || (umask 222 && printf '%s\n' "$2" >"$folder/$1")
}

random() { # random BYTES: in hexadecimal
    od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'
}

fresh_key() { # fresh_key LETTER: as `onsale keys generate` prints it
    printf '%s%s:%s' "$1" "$(random 3)" "$(head -c 32 /dev/urandom | base64 | tr -d '\n')"
}

mkdir -p "$folder"
chmod 700 "$folder"

keep postgres_password "$(random 24)"
keep database_url "postgres://onsale:$(cat $folder/postgres_password)@postgres:5432/onsale"
keep redis_conf "requirepass $(random 24)"
keep redis_url "redis://:$(sed -n 's/^requirepass //p' $folder/redis_conf)@redis:6379"
keep signing_keys "$(fresh_key s)"
keep ticket_keys "$(fresh_key t)"
keep grafana_password "$(random 12)"

if [ "$mode" = demo ]; then
    keep stripe_secret_key sk_test_demo
    keep stripe_webhook_secret whsec_sandbox
    keep smtp_url smtp://mail:1025
    [ -e .env ] || cat >.env <<'END'
COMPOSE_PROFILES=demo
ONSALE_PUBLIC_URL=http://localhost:8080
STRIPE_PUBLISHABLE_KEY=pk_test_demo
STRIPE_API_BASE=http://stripe:12111
STRIPE_BROWSER_BASE=http://localhost:12111
MAIL_FROM="Onsale <tickets@example.com>"
# So that each buyer of a load test has an address: whoever is in a network of the engine may say whose address it speaks for.
ONSALE_TRUSTED_PROXIES=172.16.0.0/12,192.168.0.0/16
END
else
    [ -e .env ] || cp deploy/env.example .env
fi

missing=0
for name in stripe_secret_key stripe_webhook_secret smtp_url; do
    [ -s "$folder/$name" ] || {
        echo "missing: $folder/$name" >&2
        missing=1
    }
done
for name in ONSALE_PUBLIC_URL STRIPE_PUBLISHABLE_KEY MAIL_FROM; do
    grep -q "^$name=." .env || {
        echo "missing: $name in .env" >&2
        missing=1
    }
done
exit $missing
