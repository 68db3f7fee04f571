//! What crosses crates: helpers that start a real daemon for a test.
