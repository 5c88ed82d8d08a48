-- Who may do what in the waiting room. As before: what is written is written by functions.

-- Not `seed`: it is named in no grant, so no role of a process can read it but through `draw_seed`.
GRANT SELECT (sale_id, phase_no, state, seed_hash, opens_at, frozen_at, count, first_number, root, root_at, beacon_url,
              beacon_chain_hash, beacon_round, beacon_round_at, beacon_randomness, beacon_signature, self_attested, drawn_at)
    ON draws TO onsale_gateway, onsale_workers, onsale_readonly;
GRANT SELECT (sale_id, phase_no, index, leaf) ON registrations TO onsale_gateway, onsale_workers, onsale_readonly;
-- Whose a registration is concerns nobody but the one who proves it to its visitor.
GRANT SELECT (salt, holder) ON registrations TO onsale_gateway;
GRANT SELECT ON admission_log TO onsale_gateway, onsale_workers, onsale_readonly;

-- Decisions go through `sale_decide` now, which writes them down.
REVOKE UPDATE (state, config, version, changed_at, opens_at) ON sales FROM onsale_gateway;

GRANT EXECUTE ON FUNCTION draw_seed(uuid, smallint), registrations_count(uuid, smallint)
    TO onsale_gateway, onsale_workers, onsale_readonly;

GRANT EXECUTE ON FUNCTION
    sale_decide(uuid, uuid, text[], text),
    sale_set_admission(uuid, uuid, jsonb, text),
    notice_add(uuid, uuid, text, text),
    bypass_log(uuid, uuid, bigint, text, text),
    access_codes_add(uuid, uuid, text, bytea[], integer, text),
    access_code_redeem(uuid, smallint, bytea, bytea),
    registrations_add(uuid, smallint, bytea[]),
    registrations_find(uuid, bytea[]),
    numbers_reserve_behind(uuid, integer, bigint),
    tick_record(uuid, integer, timestamptz, integer, bigint[], timestamptz[], text[], bigint[], timestamptz[], integer, bigint,
                text[], timestamptz[])
    TO onsale_gateway;

GRANT EXECUTE ON FUNCTION
    draw_freeze(uuid, smallint),
    draw_commit_root(uuid, smallint, bytea, text, text, bigint, timestamptz),
    draw_finish(uuid, smallint, bytea, bytea, text),
    registrations_erase(uuid, smallint, integer, integer)
    TO onsale_workers;

GRANT EXECUTE ON FUNCTION draw_leaves(uuid, smallint) TO onsale_gateway, onsale_workers, onsale_readonly;
