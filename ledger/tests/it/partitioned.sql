-- The books of an empty database, partitioned by sale: what an installation with very many sales would do.
--
-- Everything is made again from the catalog, so that it is the schema of the migrations, whatever they say. A partition lies
-- in a schema of its own and has the parent's names there: a refusal names the same rule wherever the row was to go.
-- Triggers of rows are the partitions' too; those of statements are not (a statement that names a partition does not ask the
-- parent's), so each partition gets them.
CREATE SCHEMA books_0 AUTHORIZATION onsale_owner;
CREATE SCHEMA books_1 AUTHORIZATION onsale_owner;
CREATE SCHEMA books_2 AUTHORIZATION onsale_owner;
CREATE SCHEMA books_3 AUTHORIZATION onsale_owner;
SET ROLE onsale_owner;

DO $$
DECLARE
    v_books CONSTANT text[] := ARRAY['transfers', 'entries'];
    v_again text[];
    v_guards text[];
    v_statement text;
    v_book text;
    v_child record;
BEGIN
    SELECT array_agg(statement ORDER BY step, statement) INTO v_again FROM (
        SELECT CASE contype WHEN 'f' THEN 2 ELSE 1 END AS step,
               format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS statement
          FROM pg_constraint
         WHERE contype IN ('c', 'p', 'u', 'f') AND (conrelid::regclass::text = ANY (v_books) OR confrelid::regclass::text = ANY (v_books))
         UNION ALL
        SELECT 3, pg_get_indexdef(i.indexrelid) FROM pg_index i
         WHERE i.indrelid::regclass::text = ANY (v_books)
           AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u'))
         UNION ALL
        SELECT 4, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text = ANY (v_books)
         UNION ALL
        SELECT 5, format('GRANT %s ON %I TO %I', privilege_type, table_name, grantee) FROM information_schema.role_table_grants
         WHERE table_schema = 'public' AND table_name = ANY (v_books) AND grantee <> 'onsale_owner') AS again;
    SELECT array_agg(pg_get_triggerdef(oid)) INTO v_guards FROM pg_trigger
     WHERE NOT tgisinternal AND tgtype & 1 = 0 AND tgrelid::regclass::text = ANY (v_books);

    FOREACH v_book IN ARRAY v_books LOOP
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS) PARTITION BY HASH (sale_id)', v_book || '_made', v_book);
    END LOOP;
    DROP TABLE entries, transfers CASCADE;
    FOREACH v_book IN ARRAY v_books LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO %I', v_book || '_made', v_book);
        FOR part IN 0 .. 3 LOOP
            EXECUTE format('CREATE TABLE books_%1$s.%2$I PARTITION OF %2$I FOR VALUES WITH (MODULUS 4, REMAINDER %1$s)', part, v_book);
        END LOOP;
    END LOOP;

    FOREACH v_statement IN ARRAY v_again LOOP
        EXECUTE v_statement;
    END LOOP;
    FOREACH v_statement IN ARRAY v_guards LOOP
        FOR part IN 0 .. 3 LOOP
            EXECUTE replace(v_statement, ' ON public.', format(' ON books_%s.', part));
        END LOOP;
    END LOOP;
    FOR v_child IN
        SELECT c.oid::regclass AS name, p.relname AS parents
          FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid
         WHERE p.relkind = 'I' AND c.relname <> p.relname
    LOOP
        EXECUTE format('ALTER INDEX %s RENAME TO %I', v_child.name, v_child.parents);
    END LOOP;
END
$$;

RESET ROLE;
