-- Interfaces of the host that are defined. The XML is the truth, as it is of domains.
CREATE TABLE interfaces (
    name TEXT NOT NULL PRIMARY KEY,
    xml  TEXT NOT NULL
) STRICT;

-- What the host goes back to: at most one row 'step', a single change that is under way, and one row 'change', all that was done since
-- it was begun. The snapshot is in the writer's format, the deadline in milliseconds since the boot.
CREATE TABLE interface_snapshots (
    kind     TEXT NOT NULL PRIMARY KEY,
    boot     TEXT NOT NULL,
    deadline INTEGER,
    snapshot TEXT NOT NULL
) STRICT;
