-- How many operations a tenant has of each kind in each state: what was folded, and what was added
-- since. Each statement adds its own rows, so that no two transactions wait for each other's counts.
-- Triggers do it, so that it is also right while a release that knows nothing of it writes.
CREATE TABLE counts (
    tenant TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, state)
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000
);

-- Added to and emptied all the time: what was folded must not make the next count read more.
CREATE TABLE count_deltas (
    tenant TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    delta BIGINT NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = 10000
);
CREATE INDEX count_deltas_by_tenant ON count_deltas (tenant);

CREATE FUNCTION count_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO count_deltas (tenant, kind, state, delta)
        SELECT tenant, kind, state, count(*) FROM added GROUP BY tenant, kind, state;
    RETURN NULL;
END $$;

CREATE FUNCTION count_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO count_deltas (tenant, kind, state, delta)
        SELECT tenant, kind, state, sum(delta) FROM (
            SELECT tenant, kind, state, 1 AS delta FROM added
            UNION ALL
            SELECT tenant, kind, state, -1 FROM gone
        ) AS moved GROUP BY tenant, kind, state HAVING sum(delta) <> 0;
    RETURN NULL;
END $$;

CREATE FUNCTION count_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO count_deltas (tenant, kind, state, delta)
        SELECT tenant, kind, state, -count(*) FROM gone GROUP BY tenant, kind, state;
    RETURN NULL;
END $$;

-- From here on nobody else writes, until this is committed.
CREATE TRIGGER operations_counted_when_added AFTER INSERT ON operations
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_added();
CREATE TRIGGER operations_counted_when_moved AFTER UPDATE ON operations
    REFERENCING NEW TABLE AS added OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION count_moved();
CREATE TRIGGER operations_counted_when_gone AFTER DELETE ON operations
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION count_gone();

INSERT INTO counts (tenant, kind, state, count)
    SELECT tenant, kind, state, count(*) FROM operations GROUP BY tenant, kind, state;
