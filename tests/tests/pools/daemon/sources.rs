//! What pools could be made of: volume groups of the host, and what servers offer to it.

use std::path::Path;

use serde_json::{Value, json};

use super::chap::{self, SECRET, TARGET, USAGE, holders, watched};
use super::units::sessions;
use crate::bed::Loop;
use crate::daemon::{EXPORT, bring_up, logical, take_down};
use crate::daemon_contract::MIB;
use crate::lab::Lab;
use crate::{Outcome, bed};

const SERVER: &str = "127.0.0.1";
/// Where the server of iSCSI says who may ask what it has.
const ASKING: &str = "/sys/kernel/config/target/iscsi/discovery_auth";

pub fn found(lab: &mut Lab) -> Outcome {
    let device = Loop::new(32 * MIB);
    assert_eq!(find(lab, &["logical"])?, json!([]));
    bring_up(lab, &logical(&device.device))?;
    let group = json!({
        "path": "lab", "format": "lvm2", "size": 28 * MIB, "host": null, "devices": [device.device],
    });
    assert_eq!(find(lab, &["logical"])?, json!([group]));
    let document = lab.reeve(&["pool", "find-sources", "logical", "--xml"])?.ok();
    let device_element = format!("<device path='{}'/>", device.device);
    for part in [&*device_element, "<name>lab</name>", "<format type='lvm2'/>"] {
        assert!(document.contains(part), "{document}");
    }
    take_down(lab)?;
    drop(device);

    let host = json!({ "name": SERVER, "port": null });
    let export = json!({ "path": EXPORT, "format": "nfs", "size": null, "host": host, "devices": [] });
    assert_eq!(find(lab, &["netfs", SERVER])?, json!([export]));
    let document = lab.reeve(&["pool", "find-sources", "netfs", SERVER, "--xml"])?.ok();
    assert!(
        document.contains("<host name='127.0.0.1'/>") && document.contains("<dir path='/export'/>"),
        "{document}"
    );
    let said = lab.reeve(&["pool", "find-sources", "netfs", "nobody.invalid"])?.fails(1);
    assert!(said.contains("sources of pools of type 'netfs': showmount says: "), "{said}");
    targets(lab)
}

fn find(lab: &Lab, words: &[&str]) -> anyhow::Result<Value> {
    lab.json(&[&["pool", "find-sources"], words].concat())
}

fn targets(lab: &Lab) -> Outcome {
    let before = records()?;
    let both = |rows: &Value| {
        let name = |row: usize| rows[row]["path"].as_str().unwrap_or_default().to_owned();
        assert_eq!((name(0).as_str(), name(1).as_str()), (TARGET, "iqn.2010-05.com.example:lab"), "{rows}");
    };
    both(&find(lab, &["iscsi", SERVER])?);
    both(&find(lab, &["iscsi", SERVER, "3260"])?);
    assert_eq!(records()?, before, "the initiator keeps something of a question");
    let said =
        lab.reeve(&["pool", "find-sources", "iscsi", SERVER, "3260", "iqn.2010-05.com.example:me"])?.fails(1);
    assert!(said.contains("/etc/iscsi/initiatorname.iscsi"), "{said}");

    // A server that tells those only whom it knows.
    let asking = |name: &str, value: &str| std::fs::write(Path::new(ASKING).join(name), value);
    asking("userid", "reeve")?;
    asking("password", SECRET)?;
    asking("enforce_discovery_auth", "1")?;
    let known = ["iscsi", SERVER, "--username", "reeve", "--secret", USAGE];
    let refused = |words: &[&str], reason: &str| -> Outcome {
        let said = lab.reeve(&[&["pool", "find-sources"], words].concat())?.fails(6);
        assert!(said.contains(reason), "{said}");
        assert_eq!((records()?, holders(SECRET)?), (before.clone(), Vec::new()));
        Ok(())
    };
    refused(&["iscsi", SERVER], "tells this host nothing")?;
    lab.daemon.reeve_with_input(&["secret", "define", "-"], &chap::secret("iscsi"))?.ok();
    refused(&known, "has no value")?;
    lab.daemon.reeve_with_input(&["secret", "set-value", USAGE], "another-secret")?.ok();
    refused(&known, "refuses user 'reeve'")?;
    lab.daemon.reeve_with_input(&["secret", "set-value", USAGE], SECRET)?.ok();
    let commands = watched(|| {
        both(&find(lab, &known)?);
        Ok(())
    })?;
    assert!(commands.iter().any(|words| words.contains("--discover")), "{commands:?}");
    assert!(!commands.iter().any(|words| words.contains(SECRET)), "the secret was on a command line");
    assert_eq!((records()?, holders(SECRET)?), (before.clone(), Vec::new()));
    let document = format!(
        "<source><host name='{SERVER}'/><auth type='chap' username='reeve'><secret usage='{USAGE}'/></auth></source>"
    );
    let file = lab.daemon.file("source.xml", &document)?;
    both(&find(lab, &["iscsi", "--source", &file])?);

    // A pool proves who it is for that too.
    let auth = format!("<auth type='chap' username='reeve'><secret usage='{USAGE}'/></auth>");
    lab.daemon.reeve_with_input(&["pool", "define", "-"], &chap::pool(&auth))?.ok();
    lab.reeve(&["pool", "start", "lab"])?.ok();
    assert_eq!((sessions(), holders(SECRET)?), (1, Vec::new()));
    lab.reeve(&["pool", "destroy", "lab"])?.ok();
    lab.reeve(&["pool", "undefine", "lab"])?.ok();
    lab.reeve(&["secret", "undefine", USAGE])?.ok();
    asking("enforce_discovery_auth", "0")?;
    assert!(!lab.daemon.log().contains(SECRET), "the secret is in the log");
    Ok(())
}

/// The records that the initiator has.
fn records() -> anyhow::Result<String> {
    Ok(bed::run("/bin/find", &["/etc/iscsi", "-type", "f"]))
}
