-- Seals: blocks of transfers, each chained to the one before it by a hash. Whoever changes, removes or adds a transfer in a
-- sealed block, past every trigger, must seal that block and all later ones anew, and then the head is not the one that was
-- printed and kept elsewhere.
--
-- Posting takes no part in it and no lock for it: a worker seals behind it, one at a time, only what is below the commit
-- horizon. A transaction below the horizon is over, so a range of transaction ids that ends there has all the transfers it
-- will ever have. Blocks cover the ids without a gap: `from_xid` of one is `upto_xid` of the one before it, and the first
-- begins at 0. What is above the last block is not sealed yet; a transaction that stays open keeps the horizon back. The way to
-- the next transfers is `transfers_xid_idx` (V33).
--
-- Format 1. Integers are big-endian and signed; `text` is its length in bytes as 4 bytes, then UTF-8; `option` is a byte 0,
-- or a byte 1 and the value; times are microseconds since 2000-01-01T00:00:00Z in 8 bytes.
--
--   record of a transfer: sale_id 16, id 16, kind text, idem_key text, request_hash (4 bytes of length, then bytes),
--                         order_id option 16, reference option text, resolves option 16, reverses option 16,
--                         effective_at 8, recorded_at 8, xid 8, number of entries 4, then each entry by leg:
--                         leg 2, account text, unit_of_account text, amount 8
--   leaves of a block:    for each transfer by (xid, sale_id, id): id 16, SHA-256 of its record 32
--   hash of a block:      SHA-256 of: "onsale seal" (11 bytes), format_version 2, block 8, prev_hash 32, from_xid 8,
--                         upto_xid 8, sealed_at 8, transfers 8, entries 8, number of sums 4, then each sum by the bytes of
--                         its unit of account: unit_of_account text, debits as text in decimal; then the leaves
--
-- A change of the format is a new number, never another meaning of this one: old blocks stay as they were hashed.

CREATE TABLE seals (
    block          bigint      NOT NULL,
    format_version smallint    NOT NULL,
    prev_hash      bytea       NOT NULL,
    hash           bytea       NOT NULL,
    from_xid       xid8        NOT NULL,
    upto_xid       xid8        NOT NULL,
    sealed_at      timestamptz NOT NULL,
    transfers      bigint      NOT NULL,
    entries        bigint      NOT NULL,
    -- By unit of account what was debited, which is what was credited.
    sums           jsonb       NOT NULL,
    -- 48 bytes a transfer, by which an audit says which one differs.
    leaves         bytea       NOT NULL,
    CONSTRAINT seals_pkey PRIMARY KEY (block),
    -- One chain: no two blocks follow the same one.
    CONSTRAINT seals_prev_hash_key UNIQUE (prev_hash),
    CONSTRAINT seals_block_check CHECK (block >= 1),
    CONSTRAINT seals_format_version_check CHECK (format_version = 1),
    CONSTRAINT seals_hash_check CHECK (octet_length(hash) = 32 AND octet_length(prev_hash) = 32),
    CONSTRAINT seals_range_check CHECK (from_xid < upto_xid),
    CONSTRAINT seals_leaves_check CHECK (transfers >= 1 AND octet_length(leaves) = 48 * transfers)
);

-- Hashes do not compress.
ALTER TABLE seals ALTER COLUMN leaves SET STORAGE EXTERNAL;

CREATE TRIGGER seals_stay_as_written BEFORE UPDATE OR DELETE OR TRUNCATE ON seals
    FOR EACH STATEMENT EXECUTE FUNCTION stay_as_written();

-- The sums of a block as they are hashed. They are small; the leaves of a block are not made here, because a function called
-- for each of a thousand transfers takes longer than hashing them.
CREATE FUNCTION seal_sums(p_sums jsonb) RETURNS bytea
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT int4send(count(*)::integer) ||
               coalesce(string_agg(int4send(octet_length(name)) || name || int4send(octet_length(debits)) || debits,
                                   ''::bytea ORDER BY name), '')
          FROM (SELECT convert_to(key, 'UTF8') AS name, convert_to(value, 'UTF8') AS debits
                  FROM jsonb_each_text(p_sums)) AS s
    );
END
$$;

-- Step: fills in what a block seals. Each transfer is looked up by index: what lies before the block, however much, is not
-- read.
CREATE FUNCTION seal_fill(p_seal seals) RETURNS seals
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    SELECT count(*), coalesce(sum(e.count), 0),
           coalesce(string_agg(uuid_send(t.id) || sha256(
               uuid_send(t.sale_id) || uuid_send(t.id) ||
               int4send(octet_length(b.kind)) || b.kind || int4send(octet_length(b.idem_key)) || b.idem_key ||
               int4send(octet_length(t.request_hash)) || t.request_hash ||
               coalesce('\x01'::bytea || uuid_send(t.order_id), '\x00') ||
               coalesce('\x01'::bytea || int4send(octet_length(b.reference)) || b.reference, '\x00') ||
               coalesce('\x01'::bytea || uuid_send(t.resolves), '\x00') ||
               coalesce('\x01'::bytea || uuid_send(t.reverses), '\x00') ||
               timestamptz_send(t.effective_at) || timestamptz_send(t.recorded_at) || xid8send(t.xid) ||
               int4send(e.count::integer) || e.bytes), ''::bytea ORDER BY t.xid, t.sale_id, t.id), '')
      INTO p_seal.transfers, p_seal.entries, p_seal.leaves
      FROM transfers t
     CROSS JOIN LATERAL (
           SELECT convert_to(t.kind, 'UTF8') AS kind, convert_to(t.idem_key, 'UTF8') AS idem_key,
                  convert_to(t.reference, 'UTF8') AS reference) AS b
     CROSS JOIN LATERAL (
           SELECT count(*) AS count, coalesce(string_agg(
                      int2send(leg) ||
                      int4send(octet_length(convert_to(account, 'UTF8'))) || convert_to(account, 'UTF8') ||
                      int4send(octet_length(convert_to(unit_of_account, 'UTF8'))) || convert_to(unit_of_account, 'UTF8') ||
                      int8send(amount), ''::bytea ORDER BY leg), '') AS bytes
             FROM entries WHERE sale_id = t.sale_id AND transfer_id = t.id) AS e
     WHERE t.xid >= p_seal.from_xid AND t.xid < p_seal.upto_xid;

    SELECT coalesce(jsonb_object_agg(unit_of_account, debits), '{}') INTO p_seal.sums
      FROM (SELECT e.unit_of_account, coalesce(sum(e.amount) FILTER (WHERE e.amount > 0), 0) AS debits
              FROM transfers t
             CROSS JOIN LATERAL (SELECT unit_of_account, amount FROM entries
                                  WHERE sale_id = t.sale_id AND transfer_id = t.id OFFSET 0) AS e
             WHERE t.xid >= p_seal.from_xid AND t.xid < p_seal.upto_xid
             GROUP BY e.unit_of_account) AS s;
    RETURN p_seal;
END
$$;

-- Seals the next transfers, about as many as said: those of one transaction are never parted. Who comes while another seals
-- leaves it to them. An idle ledger gets no blocks. Where the last block ends in the future, the database was loaded from a dump
-- into a cluster that has given out fewer transaction ids: what is posted now lies in sealed ranges and can never be sealed, and
-- `behind` says so.
CREATE FUNCTION seal_next(p_transfers_max integer) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_head seals%ROWTYPE;
    v_next seals%ROWTYPE;
    v_last xid8;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('seals', 4)) THEN
        RETURN jsonb_build_object('outcome', 'busy');
    END IF;
    SELECT * INTO v_head FROM seals ORDER BY block DESC LIMIT 1;
    IF v_head.upto_xid > pg_snapshot_xmax(pg_current_snapshot()) THEN
        RETURN jsonb_build_object('outcome', 'behind');
    END IF;
    v_next.block := coalesce(v_head.block, 0) + 1;
    v_next.format_version := 1;
    v_next.prev_hash := coalesce(v_head.hash, decode(repeat('00', 32), 'hex'));
    v_next.from_xid := coalesce(v_head.upto_xid, '0');
    v_next.upto_xid := pg_snapshot_xmin(pg_current_snapshot());
    v_next.sealed_at := onsale_now();

    SELECT xid INTO v_last FROM transfers WHERE xid >= v_next.from_xid AND xid < v_next.upto_xid
     ORDER BY xid, sale_id, id OFFSET p_transfers_max - 1 LIMIT 1;
    IF FOUND THEN
        v_next.upto_xid := (v_last::text::bigint + 1)::text::xid8;
    END IF;

    v_next := seal_fill(v_next);
    IF v_next.transfers = 0 THEN
        RETURN jsonb_build_object('outcome', 'nothing');
    END IF;
    v_next.hash := sha256(
        convert_to('onsale seal', 'UTF8') || int2send(v_next.format_version) || int8send(v_next.block) || v_next.prev_hash ||
        xid8send(v_next.from_xid) || xid8send(v_next.upto_xid) || timestamptz_send(v_next.sealed_at) ||
        int8send(v_next.transfers) || int8send(v_next.entries) || seal_sums(v_next.sums) || v_next.leaves);
    INSERT INTO seals SELECT v_next.*;
    RETURN jsonb_build_object('outcome', 'sealed', 'block', v_next.block, 'transfers', v_next.transfers,
                              'hash', encode(v_next.hash, 'hex'));
END
$$;

GRANT SELECT ON seals TO onsale_gateway, onsale_workers, onsale_readonly;
GRANT EXECUTE ON FUNCTION seal_next(integer) TO onsale_workers;
