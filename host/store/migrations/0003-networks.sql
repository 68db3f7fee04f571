-- Virtual networks, packet filters and the host's interfaces. The XML is the truth, as it is of domains.
CREATE TABLE networks (
    uuid      TEXT    NOT NULL PRIMARY KEY,
    name      TEXT    NOT NULL UNIQUE,
    xml       TEXT    NOT NULL,
    autostart INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One row an active network: its live document, for the daemon that comes next.
CREATE TABLE active_networks (
    uuid TEXT NOT NULL PRIMARY KEY,
    live TEXT NOT NULL
) STRICT;

CREATE TABLE filters (
    uuid TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    xml  TEXT NOT NULL
) STRICT;

-- One row an interface of an active domain: what was plugged, in the writer's format.
CREATE TABLE ports (
    domain TEXT NOT NULL,
    mac    TEXT NOT NULL,
    port   TEXT NOT NULL,
    PRIMARY KEY (domain, mac)
) STRICT, WITHOUT ROWID;
