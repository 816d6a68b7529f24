-- Instants are microseconds since the epoch. Documents are JSON as encoded bytes. Texts compare
-- byte by byte, so that ids order the same everywhere.

CREATE TABLE operations (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    kind_version TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    event_count BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    available_at BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    attempts_max BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    retention_seconds BIGINT NOT NULL,
    alias TEXT COLLATE "C",
    project TEXT COLLATE "C",
    project_version TEXT COLLATE "C",
    resource_type TEXT COLLATE "C",
    resource_id TEXT COLLATE "C",
    concurrency_key TEXT COLLATE "C",
    deadline_at BIGINT,
    cancel_requested_at BIGINT,
    cancel_seen_at BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    expire_at BIGINT,
    idempotency_key TEXT COLLATE "C",
    fingerprint BYTEA,
    request_id TEXT COLLATE "C",
    traceparent TEXT COLLATE "C",
    parent_id TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    labels BYTEA,
    lease_token TEXT COLLATE "C",
    lease_worker TEXT COLLATE "C",
    lease_expires_at BIGINT,
    spec BYTEA,
    checkpoint BYTEA,
    result BYTEA,
    progress BYTEA,
    failure BYTEA,
    -- What a claim shall do with a pending operation; null for all others. 0: wait for
    -- available_at. 1: take it. 2: wait for the operation that runs under its concurrency key.
    -- 3: leave it to the reaper, since its deadline has passed.
    readiness SMALLINT
) WITH (
    -- A row is written three times or more in its life: vacuum early, and leave room on the page.
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 1
);

CREATE INDEX operations_by_state ON operations (tenant, state, id);
CREATE INDEX operations_by_kind ON operations (tenant, kind, state, id);
CREATE INDEX operations_by_project ON operations (tenant, project, id)
    WHERE project IS NOT NULL;
CREATE INDEX operations_by_resource ON operations (tenant, resource_id, id)
    WHERE resource_id IS NOT NULL;
CREATE INDEX operations_by_resource_type ON operations (tenant, resource_type, id)
    WHERE resource_type IS NOT NULL;
CREATE INDEX operations_by_parent ON operations (tenant, parent_id, id)
    WHERE parent_id IS NOT NULL;
CREATE UNIQUE INDEX operations_by_alias ON operations (tenant, alias)
    WHERE alias IS NOT NULL;
CREATE UNIQUE INDEX operations_by_idempotency_key ON operations (tenant, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

CREATE INDEX operations_scheduled ON operations (available_at) WHERE readiness = 0;
CREATE INDEX operations_claimable ON operations (kind, priority DESC, id) WHERE readiness = 1;
CREATE INDEX operations_parked ON operations (tenant, concurrency_key, kind, priority DESC, id)
    WHERE readiness = 2;
CREATE UNIQUE INDEX operations_running_by_key ON operations (tenant, concurrency_key)
    WHERE concurrency_key IS NOT NULL AND state = 'running';
CREATE INDEX operations_by_lease_expiry ON operations (lease_expires_at)
    WHERE lease_expires_at IS NOT NULL;
CREATE INDEX operations_by_deadline ON operations (deadline_at)
    WHERE deadline_at IS NOT NULL AND state = 'pending';
CREATE INDEX operations_by_expiry ON operations (expire_at) WHERE expire_at IS NOT NULL;

CREATE TABLE labels (
    tenant TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    operation_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, key, value, operation_id)
);

CREATE TABLE events (
    operation_id TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    data BYTEA,
    PRIMARY KEY (operation_id, number)
);

CREATE TABLE logs (
    operation_id TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    -- Bytes of text in the operation's log up to the end of this line.
    bytes_end BIGINT NOT NULL,
    PRIMARY KEY (operation_id, number)
);

CREATE TABLE audit (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    tenant TEXT COLLATE "C" NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C",
    data BYTEA
);

CREATE INDEX audit_by_tenant ON audit (tenant, number);

CREATE TABLE resources (
    tenant TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    document BYTEA NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    fields BYTEA,
    PRIMARY KEY (tenant, type, id)
);

CREATE UNIQUE INDEX resources_by_name ON resources (tenant, type, name) WHERE name <> '';

CREATE TABLE resource_fields (
    tenant TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, type, key, value, id)
);
