-- What is left of an operation for a while after it was pruned or deleted.
CREATE TABLE tombstones (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    alias TEXT,
    kind TEXT NOT NULL,
    gone_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tombstones_by_alias ON tombstones (tenant, alias, gone_at) WHERE alias IS NOT NULL;
CREATE INDEX tombstones_by_age ON tombstones (gone_at);
