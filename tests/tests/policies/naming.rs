//! `naming`: house rules for names, and defaults that are written into a definition.

use reeve_tests::{Daemon, policy};

use crate::{Outcome, Sim, decisions, load, xml};

const GRANTS: [&str; 3] = [
    "domain:rewrite path=devices.disks*",
    "domain:rewrite path=devices.memballoon*",
    "domain:rewrite path=devices.rngs*",
];

const DISK: &str = "<disk type='file' device='disk'><driver type='raw'/><source file='/srv/web.img'/>\
                    <target dev='vda' bus='virtio'/></disk>";

/// What the policy fills in.
const FILLED_IN: [&str; 3] = ["cache='none'", "<memballoon model='virtio'", "<rng model='virtio'"];

fn web(name: &str) -> Sim<'_> {
    Sim { devices: DISK, ..Sim::named(name) }
}

#[test]
fn a_name_outside_the_house_rules_is_refused() -> Outcome {
    let daemon = Daemon::start()?;
    load(&daemon, &policy("naming")?, &GRANTS, r#"{"prefixes": ["web-", "db-"]}"#, &[])?.ok();
    let said = web("shop").define(&daemon)?.fails(4);
    let reason = "the name 'shop' must begin with one of: web-, db-";
    assert!(
        said.contains(&format!("policy 'naming' denies domain-define of domain 'shop': {reason}")),
        "{said}"
    );
    web("db-1").define(&daemon)?.ok();
    assert_eq!(daemon.reeve(&["domain", "list", "--all", "--name"])?.ok(), "db-1\n");
    Ok(())
}

#[test]
fn what_a_definition_leaves_open_is_filled_in_and_said() -> Outcome {
    let daemon = Daemon::start()?;
    load(&daemon, &policy("naming")?, &GRANTS, "{}", &[])?.ok();
    web("web").define(&daemon)?.ok();
    let stored = xml(&daemon, "web")?;
    for device in FILLED_IN {
        assert!(stored.contains(device), "{device} is not in\n{stored}");
    }

    let rows = decisions(&daemon, &["--subject", "web", "--outcome", "rewrite"])?;
    let paths: Vec<_> = rows.iter().flat_map(|row| row["changes"].as_array()).flatten().collect();
    for part in ["devices.disks[vda]", "devices.memballoon", "devices.rngs"] {
        let found =
            |change: &&serde_json::Value| change["path"].as_str().is_some_and(|path| path.starts_with(part));
        assert!(paths.iter().any(found), "{part} is not in {paths:#?}");
    }
    let table = daemon.reeve(&["policy", "decisions", "--policy", "naming", "--changes"])?.ok();
    assert!(table.contains("devices.disks[vda].driver.cache: nothing -> \"none\""), "{table}");

    // What is complete stays as it is.
    daemon.reeve_with_input(&["domain", "define", "-"], &stored)?.ok();
    assert_eq!(xml(&daemon, "web")?, stored);
    assert_eq!(decisions(&daemon, &["--outcome", "rewrite"])?.len(), 1);
    Ok(())
}

#[test]
fn a_rewrite_beyond_its_grants_closes_the_door() -> Outcome {
    let daemon = Daemon::start()?;
    let loaded = load(&daemon, &policy("naming")?, &GRANTS[..1], "{}", &[])?;
    assert!(loaded.stderr.contains("would also use domain:rewrite path=devices.rngs*"), "{loaded:?}");
    loaded.ok();
    let said = web("web").define(&daemon)?.fails(4);
    assert!(said.contains("its grants of 'domain:rewrite' do not cover"), "{said}");
    assert_eq!(daemon.reeve(&["domain", "list", "--all", "--name"])?.ok(), "");
    assert_eq!(decisions(&daemon, &["--outcome", "refused"])?.len(), 1);

    daemon.reeve(&["policy", "grant", "naming", GRANTS[1], GRANTS[2]])?.ok();
    web("web").define(&daemon)?.ok();
    daemon.reeve(&["policy", "revoke", "naming", GRANTS[0]])?.ok();
    web("other").define(&daemon)?.fails(4);
    Ok(())
}

#[test]
fn in_monitor_mode_nothing_is_filled_in() -> Outcome {
    let daemon = Daemon::start()?;
    load(&daemon, &policy("naming")?, &GRANTS, "{}", &["--mode", "monitor"])?.ok();
    web("web").define(&daemon)?.ok();
    let stored = xml(&daemon, "web")?;
    assert!(!FILLED_IN.iter().any(|device| stored.contains(device)), "{stored}");
    let rows = decisions(&daemon, &["--outcome", "rewrite"])?;
    assert_eq!((rows.len(), &rows[0]["mode"]), (1, &"monitor".into()));
    Ok(())
}
