-- What of a policy outlives one version of it.

-- Versions of installed policies, newest by number; the components are kept as long as their rows.
CREATE TABLE versions (
    policy TEXT    NOT NULL,
    digest TEXT    NOT NULL,
    number INTEGER NOT NULL,
    body   TEXT    NOT NULL,
    PRIMARY KEY (policy, digest)
) STRICT, WITHOUT ROWID;

-- Policies that the circuit breaker stopped and no operator resumed.
CREATE TABLE parked (
    policy TEXT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL,
    body   TEXT NOT NULL
) STRICT;

-- When the circuit breaker stops a policy; null takes the default.
ALTER TABLE policies ADD COLUMN breaker TEXT NOT NULL DEFAULT 'null';
