-- Storage pools that are defined. The XML is the truth, as it is of domains.
CREATE TABLE pools (
    uuid      TEXT    NOT NULL PRIMARY KEY,
    name      TEXT    NOT NULL UNIQUE,
    xml       TEXT    NOT NULL,
    autostart INTEGER NOT NULL
) STRICT;

-- Storage pools that run, in the writer's format.
CREATE TABLE active_pools (
    uuid TEXT NOT NULL PRIMARY KEY,
    live TEXT NOT NULL
) STRICT;
