#!/bin/sh
# Finds the programs that demo and tests need, and installs what is missing when that needs no prompt.
# Usage: setup.sh NEED...   where NEED is postgres, redis, promtool, chromium, python or pdf.
# Nothing that runs already is touched, and nothing that is installed here is left running: the private
# servers are started by the sandbox itself.
set -eu

found() { command -v "$1" >/dev/null 2>&1; }

found_in() { # found_in PROGRAM DIRECTORY...: in one of the directories where packages keep it off the PATH
    program=$1
    shift
    for directory in "$@"; do
        [ -x "$directory/$program" ] && return 0
    done
    return 1
}

have() {
    case $1 in
    postgres)
        { found initdb && found postgres; } ||
            found_in initdb /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin \
                /usr/pgsql-*/bin
        ;;
    redis) found redis-server || found valkey-server || found_in redis-server /opt/homebrew/bin /usr/local/bin ;;
    promtool) found promtool ;;
    # With the modules of strangers.rs; a python3 of one's own may be first and have none of the system's.
    python)
        for python in python3 /usr/bin/python3; do
            found "$python" && "$python" -c 'import cryptography, icalendar' 2>/dev/null && return 0
        done
        return 1
        ;;
    pdf) found pdftotext && found pdftoppm && found pdfinfo ;;
    chromium) found chromium || found chromium-browser || found google-chrome ;;
    *)
        echo "setup: unknown need: $1" >&2
        exit 64
        ;;
    esac
}

package() { # package MANAGER NEED
    case $1:$2 in
    apt:postgres) echo postgresql ;;
    dnf:postgres) echo postgresql-server ;;
    brew:postgres) echo postgresql@17 ;;
    apt:redis) echo redis-server ;;
    *:redis) echo redis ;;
    apt:promtool | brew:promtool) echo prometheus ;;
    dnf:promtool) echo golang-github-prometheus ;;
    *:chromium) echo chromium ;;
    apt:python | dnf:python) echo python3 python3-cryptography python3-icalendar ;;
    brew:python) echo python cryptography ;;
    apt:pdf | dnf:pdf) echo poppler-utils ;;
    brew:pdf) echo poppler ;;
    esac
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_be_root() {
    [ "$(id -u)" -eq 0 ] || { found sudo && sudo -n true 2>/dev/null; }
}

# Debian starts a service as soon as its package is installed; this file tells it not to.
POLICY=/usr/sbin/policy-rc.d

install_with_apt() {
    if [ ! -e $POLICY ]; then
        trap 'as_root rm -f $POLICY' EXIT INT TERM
        printf '#!/bin/sh\nexit 101\n' | as_root tee $POLICY >/dev/null
        as_root chmod 755 $POLICY
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

missing=
for need in "$@"; do
    have "$need" || missing="$missing $need"
done
[ -n "$missing" ] || exit 0

if found apt-get && may_be_root; then
    manager=apt
elif found dnf && may_be_root; then
    manager=dnf
elif found brew; then
    manager=brew
else
    manager=
fi

if [ -z "$manager" ]; then
    echo "setup: please install:$missing (Debian: apt-get install postgresql redis-server prometheus chromium python3-cryptography python3-icalendar poppler-utils)" >&2
    exit 1
fi

packages=
for need in $missing; do
    packages="$packages $(package $manager "$need")"
done
echo "setup: installing$packages with $manager" >&2
case $manager in
apt) install_with_apt $packages ;;
dnf) as_root dnf install -y -q $packages ;;
brew) brew install -q $packages ;;
esac

for need in $missing; do
    have "$need" || {
        echo "setup: $need is still missing after installing$packages" >&2
        exit 1
    }
done
