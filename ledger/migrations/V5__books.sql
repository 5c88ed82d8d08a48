-- The books: accounts, transfers, entries. Double entry for money and for seats by one rule.
--
-- A transfer is an act; its entries are its legs. Debits are positive, credits negative, and per unit of account (a
-- currency, or the seats of a tier) the legs of a transfer sum to zero. Nothing is ever updated or deleted: a mistake is
-- corrected by another transfer that `reverses` the first, a promise is kept or broken by one that `resolves` it. There is
-- no row for a balance, because updating it is what makes ledgers slow; a balance is a sum.
--
-- The database itself refuses, for every role and the owner too: legs that do not sum to zero, a single leg, a transfer
-- without legs, a leg added in another transaction than its transfer's, any update, delete or truncate. No role but the
-- owner may insert here at all: posting happens in functions only.

CREATE TABLE accounts (
    sale_id         uuid NOT NULL,
    account         text NOT NULL,
    unit_of_account text NOT NULL,
    CONSTRAINT accounts_pkey PRIMARY KEY (sale_id, account, unit_of_account),
    CONSTRAINT accounts_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT accounts_account_check CHECK (account IN (
        -- Money that Stripe has for us, and whose it is.
        'payment_clearing', 'organizer_payable', 'platform_fee', 'tax_payable', 'processor_fee', 'refund_due', 'suspense',
        -- Promises: what banks authorised and we have not captured.
        'authorised', 'authorised_contra',
        -- Seats of a tier. `seats_issued` is where they come from; the others say where they are.
        'seats_issued', 'seats_available', 'seats_ordered', 'seats_sold', 'seats_withheld', 'seats_offered')),
    CONSTRAINT accounts_unit_of_account_check
        CHECK (CASE WHEN starts_with(account, 'seats_') THEN unit_of_account ~ '^seats:[a-z0-9][a-z0-9_-]{0,31}$'
                    ELSE unit_of_account ~ '^[a-z]{3}$' END)
);

CREATE TABLE transfers (
    sale_id      uuid        NOT NULL,
    id           uuid        NOT NULL,
    kind         text        NOT NULL,
    -- What makes the act unique; the hash tells the same act from another one under the same key.
    idem_key     text        NOT NULL,
    request_hash bytea       NOT NULL,
    -- No foreign keys out of the books: they outlive what they describe.
    order_id     uuid,
    reference    text,
    resolves     uuid,
    reverses     uuid,
    -- When it happened (by Stripe, for what Stripe reports), beside when it was written down.
    effective_at timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT onsale_now(),
    xid          xid8        NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT transfers_pkey PRIMARY KEY (sale_id, id),
    CONSTRAINT transfers_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT transfers_idem_key_key UNIQUE (sale_id, idem_key),
    CONSTRAINT transfers_resolves_key UNIQUE (sale_id, resolves),
    CONSTRAINT transfers_reverses_key UNIQUE (sale_id, reverses),
    CONSTRAINT transfers_resolves_fkey FOREIGN KEY (sale_id, resolves) REFERENCES transfers (sale_id, id),
    CONSTRAINT transfers_reverses_fkey FOREIGN KEY (sale_id, reverses) REFERENCES transfers (sale_id, id),
    CONSTRAINT transfers_request_hash_check CHECK (octet_length(request_hash) = 32),
    CONSTRAINT transfers_kind_check CHECK (kind IN (
        'seats_issued', 'seats_ordered', 'seats_released', 'seats_sold',
        'authorised', 'authorisation_voided', 'captured', 'captured_late', 'refunded', 'refund_reversed'))
);

CREATE INDEX transfers_order_idx ON transfers (sale_id, order_id);

CREATE TABLE entries (
    sale_id         uuid     NOT NULL,
    transfer_id     uuid     NOT NULL,
    leg             smallint NOT NULL,
    account         text     NOT NULL,
    unit_of_account text     NOT NULL,
    amount          bigint   NOT NULL,
    CONSTRAINT entries_pkey PRIMARY KEY (sale_id, transfer_id, leg),
    CONSTRAINT entries_transfer_fkey FOREIGN KEY (sale_id, transfer_id) REFERENCES transfers (sale_id, id),
    -- Affordable because an account's row is never updated: measured at a few percent of posting.
    CONSTRAINT entries_account_fkey FOREIGN KEY (sale_id, account, unit_of_account)
        REFERENCES accounts (sale_id, account, unit_of_account),
    CONSTRAINT entries_amount_check CHECK (amount <> 0)
);

CREATE FUNCTION entries_check() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_bad record;
BEGIN
    SELECT transfer_id, unit_of_account, sum(amount) AS off_by, count(*) AS legs INTO v_bad
      FROM new_entries GROUP BY sale_id, transfer_id, unit_of_account
    HAVING sum(amount) <> 0 OR count(*) < 2 LIMIT 1;
    IF FOUND AND v_bad.legs < 2 THEN
        PERFORM refuse('entries_two_legs', format('transfer %s has one leg of %s', v_bad.transfer_id, v_bad.unit_of_account));
    ELSIF FOUND THEN
        PERFORM refuse('entries_sum_zero',
                       format('transfer %s is off by %s %s', v_bad.transfer_id, v_bad.off_by, v_bad.unit_of_account));
    END IF;
    SELECT t.id INTO v_bad
      FROM new_entries e JOIN transfers t ON t.sale_id = e.sale_id AND t.id = e.transfer_id
     WHERE t.xid <> pg_current_xact_id() LIMIT 1;
    IF FOUND THEN
        PERFORM refuse('entries_same_transaction', format('transfer %s was written by another transaction', v_bad.id));
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER entries_check AFTER INSERT ON entries
    REFERENCING NEW TABLE AS new_entries FOR EACH STATEMENT EXECUTE FUNCTION entries_check();

CREATE FUNCTION transfers_check() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF NEW.xid <> pg_current_xact_id() THEN
        PERFORM refuse('transfers_own_transaction', format('transfer %s claims another transaction', NEW.id));
    ELSIF NOT EXISTS (SELECT FROM entries WHERE sale_id = NEW.sale_id AND transfer_id = NEW.id) THEN
        PERFORM refuse('transfers_have_entries', format('transfer %s has no entries', NEW.id));
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER transfers_check AFTER INSERT ON transfers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION transfers_check();

CREATE FUNCTION stay_as_written() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM refuse(TG_TABLE_NAME || '_stay_as_written', format('%s is refused for every role', lower(TG_OP)));
    RETURN NULL;
END
$$;

CREATE TRIGGER entries_stay_as_written BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION stay_as_written();
CREATE TRIGGER transfers_stay_as_written BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION stay_as_written();
CREATE TRIGGER accounts_stay_as_written BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION stay_as_written();
CREATE TRIGGER audit_log_stay_as_written BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION stay_as_written();

CREATE TYPE leg AS (account text, unit_of_account text, amount bigint);

-- Posts a transfer with all its legs, or finds it when it was posted before. Legs of nothing are left out, so callers
-- need not ask whether there was a fee.
CREATE FUNCTION post(p_sale uuid, p_kind text, p_key text, p_order uuid, p_reference text, p_effective timestamptz,
                     p_resolves uuid, p_reverses uuid, p_legs leg[])
RETURNS uuid
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_id   uuid  := onsale_uuid();
    v_hash bytea := sha256(convert_to(concat_ws(E'\n', p_kind, p_order, p_reference, p_resolves, p_reverses, p_legs::text), 'UTF8'));
BEGIN
    INSERT INTO transfers (sale_id, id, kind, idem_key, request_hash, order_id, reference, resolves, reverses, effective_at)
    VALUES (p_sale, v_id, p_kind, p_key, v_hash, p_order, p_reference, p_resolves, p_reverses, p_effective)
        ON CONFLICT ON CONSTRAINT transfers_idem_key_key DO NOTHING;
    IF NOT FOUND THEN
        SELECT id INTO v_id FROM transfers WHERE sale_id = p_sale AND idem_key = p_key AND request_hash = v_hash;
        IF NOT FOUND THEN
            PERFORM refuse('transfers_same_key_same_request', format('key %s was used for another transfer', p_key));
        END IF;
        RETURN v_id;
    END IF;
    INSERT INTO entries (sale_id, transfer_id, leg, account, unit_of_account, amount)
    SELECT p_sale, v_id, leg, account, unit_of_account, amount
      FROM unnest(p_legs) WITH ORDINALITY AS l (account, unit_of_account, amount, leg)
     WHERE amount <> 0;
    RETURN v_id;
END
$$;
