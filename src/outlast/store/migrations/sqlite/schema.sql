CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    request_id TEXT,
    data BLOB
) STRICT;

CREATE INDEX audit_by_tenant ON audit (tenant, number);

CREATE TABLE counts (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
    operation_id TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (operation_id, name)
) STRICT;

CREATE TABLE events (
    operation_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    type TEXT NOT NULL,
    at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    actor TEXT NOT NULL,
    data BLOB,
    PRIMARY KEY (operation_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE labels (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    PRIMARY KEY (tenant, key, value, operation_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE logs (
    operation_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    text TEXT NOT NULL,
    -- Bytes of text in the operation's log up to the end of this line.
    bytes_end INTEGER NOT NULL,
    PRIMARY KEY (operation_id, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER operations_counted_when_added AFTER INSERT ON operations BEGIN
    INSERT INTO counts (tenant, kind, state, count) VALUES (NEW.tenant, NEW.kind, NEW.state, 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER operations_counted_when_gone AFTER DELETE ON operations BEGIN
    UPDATE counts SET count = count - 1
        WHERE tenant = OLD.tenant AND kind = OLD.kind AND state = OLD.state;
END;

CREATE TRIGGER operations_counted_when_moved AFTER UPDATE OF state ON operations
WHEN NEW.state <> OLD.state BEGIN
    UPDATE counts SET count = count - 1
        WHERE tenant = OLD.tenant AND kind = OLD.kind AND state = OLD.state;
    INSERT INTO counts (tenant, kind, state, count) VALUES (NEW.tenant, NEW.kind, NEW.state, 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TABLE operations (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    created_by TEXT NOT NULL,
    kind TEXT NOT NULL,
    kind_version TEXT NOT NULL,
    revision INTEGER NOT NULL,
    event_count INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    available_at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    retention_seconds INTEGER NOT NULL,
    alias TEXT,
    project TEXT,
    project_version TEXT,
    resource_type TEXT,
    resource_id TEXT,
    concurrency_key TEXT,
    deadline_at INTEGER,
    cancel_requested_at INTEGER,
    cancel_seen_at INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    expire_at INTEGER,
    idempotency_key TEXT,
    fingerprint BLOB,
    request_id TEXT,
    traceparent TEXT,
    parent_id TEXT,
    state TEXT NOT NULL,
    labels BLOB,
    lease_token TEXT,
    lease_worker TEXT,
    lease_expires_at INTEGER,
    -- A small document stands here, a large one in `documents`, so that a transition does not
    -- rewrite it. `apart` has a bit for each that stands there.
    spec BLOB,
    checkpoint BLOB,
    result BLOB,
    progress BLOB,
    failure BLOB,
    apart INTEGER NOT NULL,
    -- What a claim shall do with a pending operation; null for all others. 0: wait for
    -- available_at. 1: take it. 2: wait for the operation that runs under its concurrency key.
    -- 3: leave it to the reaper, since its deadline has passed.
    readiness INTEGER
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX operations_by_alias ON operations (tenant, alias)
    WHERE alias IS NOT NULL;

CREATE INDEX operations_by_deadline ON operations (deadline_at)
    WHERE deadline_at IS NOT NULL AND state = 'pending';

CREATE INDEX operations_by_expiry ON operations (expire_at) WHERE expire_at IS NOT NULL;

CREATE UNIQUE INDEX operations_by_idempotency_key ON operations (tenant, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

CREATE INDEX operations_by_kind ON operations (tenant, kind, state, id);

CREATE INDEX operations_by_lease_expiry ON operations (lease_expires_at, kind)
    WHERE lease_expires_at IS NOT NULL;

CREATE INDEX operations_by_parent ON operations (tenant, parent_id, id)
    WHERE parent_id IS NOT NULL;

CREATE INDEX operations_by_project ON operations (tenant, project, id)
    WHERE project IS NOT NULL;

CREATE INDEX operations_by_resource ON operations (tenant, resource_id, id)
    WHERE resource_id IS NOT NULL;

CREATE INDEX operations_by_resource_type ON operations (tenant, resource_type, id)
    WHERE resource_type IS NOT NULL;

CREATE INDEX operations_by_state ON operations (tenant, state, id);

CREATE INDEX operations_claimable ON operations (kind, tenant, priority DESC, id)
    WHERE readiness = 1;

CREATE INDEX operations_parked ON operations (tenant, concurrency_key, kind, priority DESC, id)
    WHERE readiness = 2;

CREATE UNIQUE INDEX operations_running_by_key ON operations (tenant, concurrency_key)
    WHERE concurrency_key IS NOT NULL AND state = 'running';

CREATE INDEX operations_scheduled ON operations (available_at) WHERE readiness = 0;

CREATE TABLE rates (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    next_at INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE resource_fields (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (tenant, type, key, value, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE resources (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    document BLOB NOT NULL,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    fields BLOB, due_at INTEGER,
    UNIQUE (tenant, type, id)
) STRICT;

CREATE UNIQUE INDEX resources_by_name ON resources (tenant, type, name) WHERE name <> '';

CREATE INDEX resources_due ON resources (type, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT;

CREATE TABLE tombstones (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    alias TEXT,
    kind TEXT NOT NULL,
    gone_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tombstones_by_age ON tombstones (gone_at);

CREATE INDEX tombstones_by_alias ON tombstones (tenant, alias, gone_at) WHERE alias IS NOT NULL;

