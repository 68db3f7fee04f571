//! Writing policies: `reeve policy new`, `build`, `annotate`, `inspect` and `test` in a folder that knows nothing of this checkout.

#![allow(clippy::print_stdout, reason = "a skipped test says why")]

mod desk;
mod inspect;
mod projects;
mod refusals;

type Outcome = anyhow::Result<()>;
