//! CPU models (guide 14.16).
