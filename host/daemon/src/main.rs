//! The reeve binary: configuration, wiring, telemetry, shutdown.

fn main() {}
