//! SQLite: definitions, runtime state, journal, decision log.
#![forbid(unsafe_code)]
