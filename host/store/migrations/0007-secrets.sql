-- Secrets that are kept: their documents, and their values under the host's seal.
CREATE TABLE secrets (
    uuid   TEXT NOT NULL PRIMARY KEY,
    usage  TEXT UNIQUE,
    xml    TEXT NOT NULL,
    sealed BLOB
) STRICT;
