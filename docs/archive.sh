#!/bin/sh
# The archive of a closed sale: its rows as files, and the proof that they are whole.
#
#   archive.sh write  SALE DIRECTORY   writes the rows of a sale that is ready to be archived
#   archive.sh verify SALE DIRECTORY   loads them into an empty database and audits them there
#
# DATABASE_URL  of a superuser: `write` reads the books there and changes nothing; `verify` fills the database, which must be
#               empty, with every trigger off. Its cluster must have given out the transaction ids of the archive: the cluster
#               of the books has.
# ONSALE        the command, `onsale` when not set: of the version that wrote the archive.
#
# The rows are read in one snapshot, and what keeps a sale from being archived is asked before and after. Left out is what can
# be computed (balances), what other databases than this one's cannot use (jobs, seals) and who bought or waited (contacts). Fails, with
# what is wrong, before it leaves half of anything.
set -eu

usage="archive.sh write|verify SALE DIRECTORY"
act=${1:?$usage} sale=${2:?$usage} directory=${3:?$usage}
: "${DATABASE_URL:?}" "${ONSALE:=onsale}"
uuid=${sale#sale_}

# Not `echo`: some take a backslash for something else.
says() { printf '%s\n' "$*"; }

fail() { says "$*" >&2; exit 1; }

asks() { psql "$DATABASE_URL" -XqAt -v ON_ERROR_STOP=1 -v sale="$uuid" "$@"; }

# What keeps a sale from being archived, a line each.
hindrances() {
    asks <<'SQL'
SELECT 'there is no such sale' WHERE NOT EXISTS (SELECT FROM sales WHERE id = :'sale')
 UNION ALL
SELECT 'the sale is ' || state FROM sales WHERE id = :'sale' AND state NOT IN ('closed', 'cancelled')
 UNION ALL
SELECT format('performance %s is not 180 days past', id) FROM performances
 WHERE sale_id = :'sale' AND coalesce(ends_at, starts_at) > onsale_now() - interval '180 days'
 UNION ALL
SELECT format('order %s is %s', id, state) FROM orders
 WHERE sale_id = :'sale' AND state IN ('awaiting_payment', 'processing')
 UNION ALL
SELECT format('payment %s is %s', id, state) FROM payments
 WHERE sale_id = :'sale' AND state IN ('planned', 'requires_action', 'processing', 'authorised')
 UNION ALL
SELECT format('refund %s is %s', id, state) FROM refunds WHERE sale_id = :'sale' AND state IN ('planned', 'pending')
 UNION ALL
SELECT format('dispute %s is %s', stripe_id, status) FROM disputes
 WHERE sale_id = :'sale' AND status IN ('inquiry', 'open')
 UNION ALL
SELECT format('job %s is %s', dedup_key, state) FROM outbox WHERE sale_id = :'sale' AND state IN ('pending', 'parked');
SQL
}

# The tables that have rows of a sale, with the column that says whose they are; no partition, for its whole has them.
tables() {
    asks <<'SQL'
SELECT c.relname, a.attname, CASE c.relname WHEN 'organizers' THEN (SELECT organizer_id FROM sales WHERE id = :'sale')
                                            ELSE :'sale'::uuid END
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND (a.attname = 'sale_id' OR (c.relname IN ('sales', 'organizers') AND a.attname = 'id'))
   AND c.relname NOT IN ('balances', 'contacts', 'intent_claims', 'outbox', 'waitlist_contacts')
 ORDER BY c.relname;
SQL
}

version() { asks -c "SELECT max(version) FROM refinery_schema_history"; }

trial_balance="SELECT * FROM balances_recompute(:'sale') ORDER BY unit_of_account, account"

must_be_ready() {
    hindered=$(hindrances)
    [ -z "$hindered" ] || fail "not ready: $hindered"
}

writes() {
    must_be_ready
    "$ONSALE" audit --sale "$sale" >"$directory/audit.txt" || fail "$(cat "$directory/audit.txt")"
    version >"$directory/version"
    tables >"$directory/tables"
    {
        says "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
        while IFS='|' read -r table column id; do
            says "\\copy (SELECT * FROM $table WHERE $column = '$id') TO '$directory/$table.rows'"
        done <"$directory/tables"
        says "\\o '$directory/trial_balance'"
        says "$trial_balance;"
        says "\\o"
        says "COMMIT;"
    } | asks
    # A bank may have come meanwhile.
    must_be_ready
    sums=$(cd "$directory" && sha256sum -- *)
    says "$sums" >"$directory/SHA256SUMS"
}

verifies() {
    (cd "$directory" && sha256sum --check --quiet --strict SHA256SUMS) || fail "the files are not those that were written"
    "$ONSALE" migrate >/dev/null
    [ "$(version)" = "$(cat "$directory/version")" ] || fail "the archive was written by version $(cat "$directory/version")"
    {
        says "BEGIN;"
        says "SET LOCAL session_replication_role = replica;"
        while IFS='|' read -r table column id; do
            says "\\copy $table FROM '$directory/$table.rows'"
        done <"$directory/tables"
        says "COMMIT;"
    } | asks
    # Foreign keys were not asked while triggers were off: made again, they ask every row.
    asks <<'SQL'
DO $$
DECLARE
    v_key record;
BEGIN
    FOR v_key IN SELECT conrelid::regclass AS relation, conname, pg_get_constraintdef(oid) AS rule FROM pg_constraint
                  WHERE contype = 'f' AND conparentid = 0 LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I %s', v_key.relation, v_key.conname, v_key.conname, v_key.rule);
    END LOOP;
END
$$;
SQL
    says "$trial_balance" | asks | diff "$directory/trial_balance" - >&2 || fail "the trial balance is not the one that was written"
    "$ONSALE" audit --sale "$sale"
}

case $act in
    write)
        mkdir "$directory"
        directory=$(cd "$directory" && pwd)
        trap 'rm -rf "$directory"' EXIT
        writes
        trap - EXIT
        ;;
    verify)
        directory=$(cd "$directory" && pwd)
        verifies
        ;;
    *) fail "$usage" ;;
esac
