//! The contract as the SDKs of JavaScript and Python show it: files that are made of wit/, and no different from it.
//!
//! `REEVE_BLESS=1 cargo test -p reeve-tests --test conformance contract` writes them anew after wit/ has grown.

mod python;
mod typescript;
mod wit;

use std::path::{Path, PathBuf};

use wit::Contract;

use crate::Outcome;

/// The project's folder.
fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compares a file with what it should be, or writes it when asked to.
fn check(path: &Path, text: &str) -> Outcome {
    if std::env::var_os("REEVE_BLESS").is_some() {
        std::fs::write(path, text)?;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let line = found.lines().zip(text.lines()).position(|(found, made)| found != made);
    let line = line.unwrap_or_else(|| found.lines().count().min(text.lines().count())) + 1;
    anyhow::ensure!(
        found == text,
        "{} is not what wit/ says, first in line {line}; write it anew with REEVE_BLESS=1",
        path.display()
    );
    Ok(())
}

#[test]
fn javascript_shows_the_contract_of_wit() -> Outcome {
    let contract = Contract::read(&project().join("wit"))?;
    let sdk = project().join("guest-sdk/js/sdk");
    check(&sdk.join("contract.d.ts"), &typescript::types(&contract))?;
    check(&sdk.join("host.d.ts"), &typescript::modules(&contract))?;
    check(&sdk.join("contract.js"), &typescript::values(&contract))
}

#[test]
fn python_shows_the_contract_of_wit() -> Outcome {
    let contract = Contract::read(&project().join("wit"))?;
    let sdk = project().join("guest-sdk/python/sdk/reeve");
    check(&sdk.join("contract.py"), &python::types(&contract))?;
    for (name, text) in python::interfaces(&contract) {
        check(&sdk.join(format!("{name}.py")), &text)?;
    }
    Ok(())
}
