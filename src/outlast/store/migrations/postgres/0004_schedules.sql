-- The instant from which a resource is found as due; null for what never is.

ALTER TABLE resources ADD COLUMN due_at BIGINT;

CREATE INDEX resources_due ON resources (type, due_at) WHERE due_at IS NOT NULL;
