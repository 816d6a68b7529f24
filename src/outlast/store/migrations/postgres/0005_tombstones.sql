-- What is left of an operation for a while after it was pruned or deleted. Added to, and deleted
-- from its oldest end: see 0003.
CREATE TABLE tombstones (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    alias TEXT COLLATE "C",
    kind TEXT COLLATE "C" NOT NULL,
    gone_at BIGINT NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.05
);

CREATE INDEX tombstones_by_alias ON tombstones (tenant, alias, gone_at) WHERE alias IS NOT NULL;
CREATE INDEX tombstones_by_age ON tombstones (gone_at);
