//! The directions of the architecture: a crate uses crates of lower layers only, and some dependencies have one home.

use std::path::Path;

use anyhow::Result;

use super::Finding;
use super::tree::{self, Crate};

/// The layers of host/ARCHITECTURE.md, lowest first.
const LAYERS: [&[&str]; 8] = [
    &["model", "sys"],
    &["xml", "agent", "image", "store", "events", "package", "oci", "migrate"],
    &["vmm", "storage", "network", "filter", "node"],
    &["domain"],
    &["actions"],
    &["policy"],
    &["api", "client", "cli"],
    &["daemon"],
];

/// Pairs within one layer that are allowed: the first uses the second.
const WITHIN_LAYER: [(&str, &str); 2] = [("sys", "model"), ("cli", "client")];

/// Dependencies with few homes: everybody else goes through those crates.
const HOMES: [(&str, &[&str]); 6] = [
    ("quick-xml", &["xml", "xtask"]),
    ("rusqlite", &["store"]),
    ("kvm-ioctls", &["vmm"]),
    ("wasmtime", &["policy"]),
    ("axum", &["api"]),
    ("anyhow", &["cli", "daemon", "xtask"]),
];

/// Crates that stay free of the asynchronous runtime.
const WITHOUT_TOKIO: [&str; 5] = ["model", "xml", "image", "migrate", "vmm"];

/// Builds the project and is part of nothing.
const OUTSIDE: &str = "xtask";

/// Checks every crate under host/.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    Ok(tree::crates(root, "host")?.iter().flat_map(check_crate).collect())
}

fn check_crate(member: &Crate) -> Vec<Finding> {
    let name = member.name();
    let mut findings = Vec::new();
    let Some(layer) = layer_of(&name) else {
        if name != OUTSIDE {
            findings
                .push(Finding::error(format!("host/{name} has no layer; add it to xtask's tidy/layers.rs")));
        }
        return findings;
    };
    for dependency in member.dependencies() {
        if let Some(used) = dependency.strip_prefix("reeve-") {
            let allowed = WITHIN_LAYER.contains(&(name.as_str(), used));
            if !allowed && layer_of(used).is_none_or(|below| below >= layer) {
                findings.push(Finding::error(format!(
                    "host/{name} (layer {layer}) must not use reeve-{used}: directions only go down"
                )));
            }
        }
        if let Some((_, homes)) = HOMES.iter().find(|(package, _)| *package == dependency)
            && !homes.contains(&name.as_str())
        {
            findings.push(Finding::error(format!(
                "host/{name} must not use {dependency}, which lives in {} only",
                homes.join(", ")
            )));
        }
        if dependency == "tokio" && WITHOUT_TOKIO.contains(&name.as_str()) {
            findings.push(Finding::error(format!("host/{name} must do without tokio")));
        }
    }
    findings
}

fn layer_of(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(files: &[(&str, &str)]) -> Vec<String> {
        let root = tree::sample(files);
        check(root.path()).expect("readable").into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn downward_is_allowed() {
        assert!(
            texts(&[("host/domain/Cargo.toml", "[dependencies]\nreeve-model.workspace = true\n")]).is_empty()
        );
        assert!(
            texts(&[("host/cli/Cargo.toml", "[dependencies]\nreeve-client.workspace = true\n")]).is_empty()
        );
    }

    #[test]
    fn upward_and_sideways_fail() {
        let up = texts(&[("host/model/Cargo.toml", "[dependencies]\nreeve-actions.workspace = true\n")]);
        assert!(up[0].contains("host/model (layer 0) must not use reeve-actions"), "{up:?}");
        assert_eq!(
            texts(&[("host/vmm/Cargo.toml", "[dependencies]\nreeve-node.workspace = true\n")]).len(),
            1
        );
    }

    #[test]
    fn a_test_may_look_up() {
        assert!(
            texts(&[("host/model/Cargo.toml", "[dev-dependencies]\nreeve-xml.workspace = true\n")])
                .is_empty()
        );
    }

    #[test]
    fn dependencies_stay_in_their_home() {
        let found = texts(&[("host/api/Cargo.toml", "[dependencies]\nwasmtime = '1'\n")]);
        assert_eq!(found, ["host/api must not use wasmtime, which lives in policy only"]);
        assert_eq!(texts(&[("host/vmm/Cargo.toml", "[dependencies]\ntokio = '1'\n")]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_layer_fails() {
        assert!(texts(&[("host/novel/Cargo.toml", "[package]\n")])[0].contains("host/novel has no layer"));
    }
}
