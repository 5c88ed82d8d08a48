-- What the open pages of entries are told without asking: which entries changed, how they are, and where they stand. All of it reads;
-- `gateway/src/entries.rs` says who asks how often.

-- Entries of a sale that a transaction changed which was not over at a look, and what that look is called the next time: the oldest
-- transaction that is not over now. So nothing is missed, however long a change took to commit, and some things are answered twice.
-- More than p_max is answered as p_max + 1: whoever asks reads everything anew then. The numbers of a cluster that these rows were
-- restored from may be ahead of this one's, and say nothing.
CREATE FUNCTION waitlist_changes(p_sale uuid, p_since xid8, p_max integer) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    v_now constant pg_snapshot := pg_current_snapshot();
BEGIN
    RETURN jsonb_build_object('look', pg_snapshot_xmin(v_now)::text, 'entries', (
        SELECT coalesce(jsonb_agg(jsonb_build_array(id, changed_by::text)), '[]')
          FROM (SELECT id, changed_by FROM waitlist_entries
                 WHERE sale_id = p_sale AND changed_by >= p_since AND changed_by < pg_snapshot_xmax(v_now)
                 ORDER BY changed_by LIMIT p_max + 1) AS changed));
END
$$;

-- How entries are, but for their positions.
CREATE FUNCTION waitlist_standings(p_sale uuid, p_entries uuid[]) RETURNS TABLE (changed_by text, entry jsonb)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT e.changed_by::text, waitlist_standing(e)
                   FROM unnest(p_entries) AS wanted (id) JOIN waitlist_entries e ON e.sale_id = p_sale AND e.id = wanted.id;
END
$$;

-- Where entries stand that wait for these tiers and no others, as `waitlist_document` counts. One walk along the line, however many ask.
CREATE FUNCTION waitlist_positions(p_sale uuid, p_tiers text[], p_entries uuid[]) RETURNS TABLE (entry_id uuid, place bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT line.id, line.place
      FROM (SELECT e.id, e.tiers, row_number() OVER (ORDER BY e.rank) AS place
              FROM waitlist_entries e
             WHERE e.sale_id = p_sale AND e.state IN ('unconfirmed', 'waiting') AND e.tiers && p_tiers) AS line
      JOIN unnest(p_entries) AS wanted (id) ON wanted.id = line.id
     WHERE line.tiers @> p_tiers AND line.tiers <@ p_tiers;
END
$$;

GRANT EXECUTE ON FUNCTION
    waitlist_changes(uuid, xid8, integer),
    waitlist_standings(uuid, uuid[]),
    waitlist_positions(uuid, text[], uuid[])
    TO onsale_gateway;
