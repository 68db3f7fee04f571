-- Snapshots of domains; `memory` is the file of the host's own that has the guest's memory.
CREATE TABLE snapshots (
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    xml TEXT NOT NULL,
    memory TEXT,
    current INTEGER NOT NULL,
    PRIMARY KEY (domain, name)
) STRICT, WITHOUT ROWID;
