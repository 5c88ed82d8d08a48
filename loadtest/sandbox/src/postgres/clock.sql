-- The clock of a sandbox database: onsale_now() with an offset that tests move. Production has no such table.
-- VOLATILE, as clock_timestamp() is: two calls in one transaction may differ, and a moved clock is seen at once.
-- By its key, so that a function that allows no reading of whole tables finds its plan cheap.
-- plpgsql, because it keeps its plan for the session; a language SQL function would be planned again in every statement.
CREATE TABLE public.sandbox_clock (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    offset_ms bigint NOT NULL
);
INSERT INTO public.sandbox_clock (offset_ms) VALUES (0);
GRANT USAGE ON SCHEMA public TO PUBLIC;
GRANT SELECT ON public.sandbox_clock TO PUBLIC;

CREATE OR REPLACE FUNCTION public.onsale_now() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN clock_timestamp() + (SELECT offset_ms FROM public.sandbox_clock WHERE only_row) * interval '1 millisecond';
END
$$;
