-- Claims give tenants turns: what is claimable is found by tenant.
DROP INDEX operations_claimable;
CREATE INDEX operations_claimable ON operations (kind, tenant, priority DESC, id)
    WHERE readiness = 1;

-- How many of a kind run is counted without a look at each of them.
DROP INDEX operations_by_lease_expiry;
CREATE INDEX operations_by_lease_expiry ON operations (lease_expires_at, kind)
    WHERE lease_expires_at IS NOT NULL;

-- When the next attempt of a tenant, or of a kind, would begin at the rate that it is held to.
CREATE TABLE rates (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    next_at INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;
