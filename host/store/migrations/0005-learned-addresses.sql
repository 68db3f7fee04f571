-- One row an interface whose guest's addresses are found out: those that are known, in the writer's format.
CREATE TABLE learned_addresses (
    link   TEXT NOT NULL PRIMARY KEY,
    leases TEXT NOT NULL
) STRICT, WITHOUT ROWID;
