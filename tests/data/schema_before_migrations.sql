CREATE TABLE public.runs (
    id bigint NOT NULL,
    run_id character varying(255),
    snapshot_id character varying(255),
    pipeline_name text,
    mode text,
    status character varying(63),
    run_body text,
    partition text,
    partition_set text,
    create_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    update_timestamp timestamp without time zone DEFAULT CURRENT_TIMESTAMP,
    start_time double precision,
    end_time double precision,
    backfill_id character varying(255)
);
CREATE SEQUENCE public.runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.runs_id_seq OWNED BY public.runs.id;
ALTER TABLE ONLY public.runs ALTER COLUMN id SET DEFAULT nextval('public.runs_id_seq'::regclass);
INSERT INTO public.runs VALUES (1, '0a300357-cd5e-4c82-9c5c-644a4b0a93b8', 'b6dcc0afb49750d75470bbf012acb1f978e1938e', 'backtest', NULL, 'SUCCESS', '{}', NULL, NULL, '2026-12-01 14:50:34.845362', '2026-12-01 14:51:40.178435', 1796136634.992209, 1796136700.178435, NULL);
SELECT pg_catalog.setval('public.runs_id_seq', 1, true);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_run_id_key UNIQUE (run_id);
CREATE INDEX idx_run_partitions ON public.runs USING btree (partition_set, partition);
CREATE INDEX idx_run_range ON public.runs USING btree (status, update_timestamp, create_timestamp);
CREATE INDEX idx_run_status ON public.runs USING btree (status);
CREATE INDEX idx_runs_by_backfill_id ON public.runs USING btree (backfill_id, id);
CREATE INDEX idx_runs_by_job ON public.runs USING btree (pipeline_name, id);
CREATE SCHEMA coin;
CREATE FUNCTION coin.keep_ended() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if old.status in ('SUCCESS', 'FAILURE', 'CANCELED')
        or (old.status = 'CANCELING' and new.status in ('QUEUED', 'STARTING', 'STARTED'))
        or (new.status = 'CANCELING' and exists (select from coin.lease where run_id = old.run_id and published))
    then
        new.status := old.status;
        new.run_body := old.run_body;
        new.start_time := old.start_time;
        new.end_time := old.end_time;
    elsif old.status = 'CANCELING' then
        new.status := 'CANCELED';
    end if;
    return new;
end $$;
CREATE TABLE coin.health (
    checked_at timestamp with time zone NOT NULL
);
CREATE TABLE coin.lease (
    run_id text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    started bigint NOT NULL,
    taken timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    until timestamp with time zone NOT NULL,
    progress double precision DEFAULT 0 NOT NULL,
    published boolean DEFAULT false NOT NULL,
    idle_since timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE coin.result (
    run_id text NOT NULL COLLATE pg_catalog."C",
    shelf text NOT NULL,
    kind text NOT NULL,
    strategy text,
    symbols text[] NOT NULL,
    start_date date,
    end_date date,
    timeframe text,
    total_signals bigint,
    avg_return double precision,
    total_return double precision,
    execution_time double precision,
    "timestamp" timestamp with time zone NOT NULL,
    version text NOT NULL,
    size bigint NOT NULL,
    modified timestamp with time zone NOT NULL,
    digest bytea
);
CREATE TABLE coin.reuse (
    run_id text NOT NULL COLLATE pg_catalog."C",
    answered timestamp with time zone NOT NULL
);
CREATE TABLE coin.switch (
    name text NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
INSERT INTO coin.lease VALUES ('0a300357-cd5e-4c82-9c5c-644a4b0a93b8', 'host', 6710, 1833263, '2026-12-01 14:50:35.186081+00', '2026-12-01 14:51:45.195033+00', 0.6666666666666666, true, '2026-12-01 14:51:15.724307+00');
INSERT INTO coin.result VALUES ('0a300357-cd5e-4c82-9c5c-644a4b0a93b8', 'results', 'backtest', 'volume_zone_breakout', '{DEMO_KRW}', '2023-01-01', '2024-12-31', '1d', 365, 0.16905023580993184, 0.30148653121770086, 64.731007, '2026-12-01 14:51:39.723216+00', '1.2.0', 194409, '2026-12-01 14:51:40+00', '\x1bfe64c3129d599817d81cc6234dd724d0dfae1d2759520c8ab0a73003976c24');
INSERT INTO coin.switch VALUES ('async', '2026-12-01 14:52:08.891895+00');
ALTER TABLE ONLY coin.lease
    ADD CONSTRAINT lease_pkey PRIMARY KEY (run_id);
ALTER TABLE ONLY coin.result
    ADD CONSTRAINT result_pkey PRIMARY KEY (run_id);
ALTER TABLE ONLY coin.reuse
    ADD CONSTRAINT reuse_pkey PRIMARY KEY (run_id, answered);
ALTER TABLE ONLY coin.switch
    ADD CONSTRAINT switch_pkey PRIMARY KEY (name);
CREATE INDEX result_order ON coin.result USING btree ("timestamp" DESC, run_id DESC) INCLUDE (kind, strategy, avg_return, total_signals);
CREATE INDEX result_symbols ON coin.result USING gin (symbols);
CREATE INDEX reuse_order ON coin.reuse USING btree (answered DESC, run_id DESC);
ALTER TABLE ONLY coin.lease
    ADD CONSTRAINT lease_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.runs(run_id) ON DELETE CASCADE;
CREATE TRIGGER keep_ended BEFORE UPDATE ON public.runs FOR EACH ROW WHEN (((old.status)::text <> (new.status)::text)) EXECUTE FUNCTION coin.keep_ended();
