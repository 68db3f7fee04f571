//! Project tasks: demo, test, build, policies, guest, setup, bench, tidy.

fn main() {}
