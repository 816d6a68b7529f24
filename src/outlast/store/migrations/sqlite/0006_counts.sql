-- How many operations a tenant has of each kind in each state. Triggers keep it, so that it is also
-- right after a release that knows nothing of it has written.
CREATE TABLE counts (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, state)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER operations_counted_when_added AFTER INSERT ON operations BEGIN
    INSERT INTO counts (tenant, kind, state, count) VALUES (NEW.tenant, NEW.kind, NEW.state, 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER operations_counted_when_moved AFTER UPDATE OF state ON operations
WHEN NEW.state <> OLD.state BEGIN
    UPDATE counts SET count = count - 1
        WHERE tenant = OLD.tenant AND kind = OLD.kind AND state = OLD.state;
    INSERT INTO counts (tenant, kind, state, count) VALUES (NEW.tenant, NEW.kind, NEW.state, 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER operations_counted_when_gone AFTER DELETE ON operations BEGIN
    UPDATE counts SET count = count - 1
        WHERE tenant = OLD.tenant AND kind = OLD.kind AND state = OLD.state;
END;

INSERT INTO counts (tenant, kind, state, count)
    SELECT tenant, kind, state, count(*) FROM operations GROUP BY tenant, kind, state;
