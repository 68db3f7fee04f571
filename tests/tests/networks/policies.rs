//! Policies that are asked about networks, and told of them.

use reeve_tests::{WITNESS_GRANTS, test_policy, wait};

use crate::lab::{Lab, document};
use crate::{Outcome, PATIENCE};

#[test]
fn a_guard_denies_a_start_and_a_listener_hears_of_the_others() -> Outcome {
    let lab = Lab::with(&document("lab", "labbr", 77))?;
    lab.define(&document("forbidden", "forbr", 78))?.ok();
    let witness = test_policy("witness")?;
    let path = witness.to_string_lossy();
    let mut load = vec!["policy", "load", &*path];
    for grant in WITNESS_GRANTS {
        load.extend(["--grant", grant]);
    }
    lab.reeve(&load)?.ok();
    let said = lab.reeve(&["network", "start", "forbidden"])?.fails(4);
    assert!(said.contains("policy 'witness' denies network-start of network 'forbidden'"), "{said}");
    assert!(lab.links()?.is_empty());
    lab.reeve(&["network", "start", "lab"])?.ok();
    lab.reeve(&["network", "destroy", "lab"])?.ok();
    let logs = || lab.reeve(&["policy", "logs", "witness"]).map(|run| run.stdout).unwrap_or_default();
    wait::until("both changes were heard", PATIENCE, || {
        let logs = logs();
        ["network-events: lab Change::Started", "network-events: lab Change::Stopped", "network-stop: lab"]
            .iter()
            .all(|line| logs.contains(line))
    })
}
