//! Secrets on the command line: what is printed, what is on the disk, what a killed daemon leaves.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::Outcome;
use crate::lab::Lab;

const VALUE: &str = "correct horse battery staple";

fn document(attributes: &str, uuid: &str, path: &str) -> String {
    format!(
        "<secret {attributes}><uuid>{uuid}</uuid><usage type='volume'><volume>{path}</volume></usage></secret>"
    )
}

const ONE: &str = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f";
const TWO: &str = "1a81f5b2-8403-7b23-c8d6-21ccc2f80d6f";
const BRIEF: &str = "2a81f5b2-8403-7b23-c8d6-21ccc2f80d6f";

#[test]
fn a_value_survives_the_daemon_and_is_nowhere_in_the_clear() -> Outcome {
    let mut lab = Lab::start()?;
    let define =
        |lab: &Lab, document: &str| lab.daemon.reeve_with_input(&["secret", "define", "-"], document);
    assert_eq!(define(&lab, &document("", ONE, "/srv/one"))?.ok(), format!("Secret {ONE} defined\n"));
    define(&lab, &document("private='yes'", TWO, "/srv/two"))?.ok();
    define(&lab, &document("ephemeral='yes'", BRIEF, "/srv/brief"))?.ok();
    let said = define(&lab, &document("", TWO, "/srv/one"))?.fails(6);
    assert!(said.contains("'/srv/one'") && said.contains("exists already"), "{said}");
    let said = lab.reeve(&["secret", "get-value", ONE])?.fails(6);
    assert!(said.contains("has no value"), "{said}");

    let said = lab.daemon.reeve_with_input(&["secret", "set-value", "/srv/one"], VALUE)?.ok();
    assert_eq!(said, "Secret '/srv/one' has a value\n");
    let base64 = "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ==";
    lab.daemon.reeve_with_input(&["secret", "set-value", TWO, "--base64"], base64)?.ok();
    let file = lab.place.path().join("value");
    std::fs::write(&file, VALUE)?;
    lab.reeve(&["secret", "set-value", BRIEF, "--file", &file.display().to_string()])?.ok();
    assert_eq!(lab.reeve(&["secret", "get-value", ONE])?.ok(), format!("{base64}\n"));
    assert_eq!(lab.reeve(&["secret", "get-value", BRIEF, "--plain"])?.ok(), VALUE);
    let said = lab.reeve(&["secret", "get-value", TWO])?.fails(4);
    assert!(said.contains("is private") && !said.contains("horse"), "{said}");
    let said = lab.daemon.reeve_with_input(&["secret", "set-value", ONE, "--base64"], "horse!")?.fails(1);
    assert!(said.contains("not base64") && !said.contains("horse"), "{said}");
    lab.daemon.reeve_with_input(&["secret", "set-value", ONE], "")?.fails(1);
    lab.daemon.reeve_with_input(&["secret", "set-value", ONE], &"x".repeat(70_000))?.fails(1);

    lab.daemon.kill()?;
    lab.daemon.launch()?;
    assert_eq!(lab.reeve(&["secret", "get-value", ONE, "--plain"])?.ok(), VALUE);
    lab.reeve(&["secret", "get-value", BRIEF])?.fails(3);
    let rows = lab.json(&["secret", "list"])?;
    let rows: Vec<_> =
        rows.as_array().into_iter().flatten().map(|row| (&row["usage_id"], &row["has_value"])).collect();
    assert_eq!(rows, [(&"/srv/one".into(), &true.into()), (&"/srv/two".into(), &true.into())]);
    let listed = lab.reeve(&["secret", "list", "--private"])?.ok();
    assert!(listed.contains(TWO) && !listed.contains(ONE), "{listed}");
    let shown = lab.reeve(&["secret", "xml", "/srv/two"])?.ok();
    assert!(shown.starts_with("<secret ephemeral='no' private='yes'>") && shown.contains(TWO), "{shown}");

    let state = lab.daemon.root().join("var/lib/reeve");
    assert_eq!(state.join("secrets.key").metadata()?.permissions().mode() & 0o7777, 0o600);
    assert_eq!(holders(lab.daemon.root(), "horse")?, Vec::<String>::new());
    assert!(!lab.daemon.log().contains("horse"), "the value is in the log");
    lab.reeve(&["secret", "undefine", ONE])?.ok();
    lab.reeve(&["secret", "xml", ONE])?.fails(3);
    Ok(())
}

/// A daemon that dies while a value is set has the old value or the new one.
#[test]
fn a_value_is_whole_whenever_the_daemon_dies() -> Outcome {
    let mut lab = Lab::start()?;
    lab.daemon.reeve_with_input(&["secret", "define", "-"], &document("", ONE, "/srv/one"))?.ok();
    lab.daemon.reeve_with_input(&["secret", "set-value", ONE], "value 0")?.ok();
    for round in 1..=5 {
        let root = lab.daemon.root().to_owned();
        let value = format!("value {round}");
        let setting = std::thread::spawn(move || {
            reeve_tests::Run::reeve(&root, &["secret", "set-value", ONE], &value, &[])
        });
        if round % 2 == 0 {
            std::thread::yield_now();
        }
        lab.daemon.kill()?;
        let done = setting.join().expect("the thread lives")?.stdout.contains("has a value");
        lab.daemon.launch()?;
        let now = lab.reeve(&["secret", "get-value", ONE, "--plain"])?.ok();
        let number: u32 =
            now.strip_prefix("value ").and_then(|number| number.parse().ok()).expect("a whole value");
        assert!(number <= round && (!done || number == round), "after round {round} it is '{now}'");
    }
    Ok(())
}

/// Files below a directory that have these bytes.
fn holders(directory: &Path, bytes: &str) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            found.extend(holders(&entry.path(), bytes)?);
        } else if kind.is_file()
            && std::fs::read(entry.path())?.windows(bytes.len()).any(|part| part == bytes.as_bytes())
        {
            found.push(entry.path().display().to_string());
        }
    }
    Ok(found)
}
