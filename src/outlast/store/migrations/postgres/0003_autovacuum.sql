-- When each hot table is vacuumed. The defaults wait until a fifth of a table is dead or new: at
-- millions of rows that is seldom and long, and what was pruned takes room until then. Small and
-- often costs those who work beside it less. None of this takes a lock that others wait for.

-- Three versions of each row in its life: see 0001. Here for those that end: what claims and prunes
-- has left in the indexes is walked by the next one until it is vacuumed.
ALTER TABLE operations SET (
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_vacuum_cost_limit = 400
);

-- Added to and never changed; deleted by the hundred thousand when operations are pruned. Vacuumed
-- after few inserts too, so that freezing is done in small portions, and never all at once.
ALTER TABLE events SET (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
);
ALTER TABLE logs SET (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
);

-- The same, and read through its index alone where pages are known to be visible to all: vacuum is
-- what makes that known. How common a label is decides how its list is read, so that it is counted
-- early.
ALTER TABLE labels SET (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);

-- Added to, and deleted from its oldest end once a day: a fifth would be months of it.
ALTER TABLE audit SET (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.05
);

-- Changed in place, some of it all the time (schedules, databases, files being uploaded): room on
-- the page keeps a change out of the indexes, and a small table must not grow by its dead rows.
ALTER TABLE resources SET (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 200,
    autovacuum_analyze_scale_factor = 0.05
);
ALTER TABLE resource_fields SET (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 200,
    autovacuum_analyze_scale_factor = 0.05
);
