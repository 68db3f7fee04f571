-- What this host defines, runs, was doing and decided. Times are UTC, RFC 3339.

-- Persistent definitions. The XML is the truth; name and uuid repeat what it says so that both are unique.
CREATE TABLE domains (
    uuid      TEXT    NOT NULL PRIMARY KEY,
    name      TEXT    NOT NULL UNIQUE,
    xml       TEXT    NOT NULL,
    autostart INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One row an active domain: what the next daemon needs to find it again.
CREATE TABLE runtime (
    uuid       TEXT    NOT NULL PRIMARY KEY,
    id         INTEGER NOT NULL,
    driver     TEXT    NOT NULL,
    boot_id    TEXT    NOT NULL,
    pid        INTEGER,
    start_time INTEGER,
    socket     TEXT,
    live       TEXT    NOT NULL
) STRICT;

-- Operations of several steps that have not ended. A row that is here when the daemon starts was interrupted.
CREATE TABLE journal (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    actor   TEXT    NOT NULL,
    step    TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    data    TEXT    NOT NULL
) STRICT;

-- The decision log, newest rows only. The columns beside body are what it can be searched by.
CREATE TABLE decisions (
    id      INTEGER NOT NULL PRIMARY KEY,
    policy  TEXT    NOT NULL,
    hook    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    outcome TEXT    NOT NULL,
    body    TEXT    NOT NULL
) STRICT;

-- Installed policies; the component is policies/<digest>.wasm beside this file.
CREATE TABLE policies (
    name       TEXT    NOT NULL PRIMARY KEY,
    digest     TEXT    NOT NULL,
    mode       TEXT    NOT NULL,
    on_failure TEXT    NOT NULL,
    grants     TEXT    NOT NULL,
    config     TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    enabled    INTEGER NOT NULL
) STRICT;

-- What policies keep for themselves.
CREATE TABLE kv (
    policy TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  BLOB NOT NULL,
    PRIMARY KEY (policy, key)
) STRICT, WITHOUT ROWID;

-- Settings of the daemon that change at run time.
CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
