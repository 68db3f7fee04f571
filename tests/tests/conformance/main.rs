//! The same recorded sessions over the same policies in every language, the contract as each SDK shows it, and the SDKs' own tests.

mod contract;
mod matrix;
mod sdks;
mod sessions;

type Outcome = anyhow::Result<()>;

/// True where nothing may be skipped for want of a compiler.
fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}
