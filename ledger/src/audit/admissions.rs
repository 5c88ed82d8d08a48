//! I9, as far as Postgres can tell: the admission log is whole, nobody was admitted twice in it, and the grants that a lost
//! Redis is rebuilt from say the same.

use super::Invariant;

pub(super) const I9: Invariant = Invariant {
    number: "I9",
    title: "the admission log has no holes, admits nobody twice, and agrees with the grants",
    figures: &["lines", "turns", "lapsed", "epochs"],
    count: "
        SELECT count(*), count(*) FILTER (WHERE kind = 'granted'), count(*) FILTER (WHERE kind = 'lapsed'),
               count(*) FILTER (WHERE kind = 'epoch')
          FROM admission_log WHERE sale_id = coalesce($1::uuid, sale_id)",
    // A tick lapses before it grants, so at one instant the lapse comes first.
    find: "
        WITH lines AS MATERIALIZED (
            SELECT sale_id, seq, kind, number, at FROM admission_log WHERE sale_id = coalesce($1::uuid, sale_id)),
        holes AS (
            SELECT sale_id, seq, coalesce(lag(seq) OVER (PARTITION BY sale_id ORDER BY seq), 0) AS before FROM lines),
        turns AS (
            SELECT sale_id, number, kind, at,
                   lag(kind) OVER (PARTITION BY sale_id, number ORDER BY at, kind <> 'lapsed', seq) AS before
              FROM lines WHERE kind IN ('granted', 'lapsed')),
        told AS (
            SELECT sale_id, number, max(at) FILTER (WHERE kind = 'granted') AS granted_at,
                   max(at) FILTER (WHERE kind = 'lapsed') AS lapsed_at, max(at) FILTER (WHERE kind = 'left') AS left_at,
                   max(at) FILTER (WHERE kind = 'ended') AS ended_at
              FROM lines WHERE kind IN ('granted', 'lapsed', 'left', 'ended') GROUP BY sale_id, number),
        known AS (
            SELECT sale_id, number, granted_at, lapsed_at, left_at, ended_at FROM grants
             WHERE sale_id = coalesce($1, sale_id))
        SELECT format('sale %s: nothing in the log between %s and %s', sale_id, before, seq) AS breach
          FROM holes WHERE seq <> before + 1
         UNION ALL
        SELECT format('sale %s: number %s was given a turn again at %s without a lapse', sale_id, number, at)
          FROM turns WHERE kind = 'granted' AND before = 'granted'
         UNION ALL
        SELECT format('sale %s: log and grants differ on number %s', sale_id, number)
          FROM told FULL JOIN known USING (sale_id, number)
         WHERE (told.granted_at, told.lapsed_at, told.left_at, told.ended_at)
               IS DISTINCT FROM (known.granted_at, known.lapsed_at, known.left_at, known.ended_at)
         LIMIT $2::bigint",
};
