//! A target that asks the host who it is. The secret is known to the store and the server, and seen by nobody on the way.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Outcome;
use crate::daemon::units::sessions;
use crate::daemon_contract::{MIB, download, restart};
use crate::lab::Lab;

pub(super) const TARGET: &str = "iqn.2010-05.com.example:guarded";
/// As the host's init gave it to the server.
pub(super) const SECRET: &str = "wh#sper=ed\\wo\"rd";
pub(super) const USAGE: &str = "lab-chap";
const RECORDS: &str = "/etc/iscsi/nodes";

pub(super) fn pool(auth: &str) -> String {
    format!(
        "<pool type='iscsi'><name>lab</name><source><host name='127.0.0.1'/><device path='{TARGET}'/>{auth}</source>\
         <target><path>/dev/disk/by-path</path></target></pool>"
    )
}

pub(super) fn secret(kind: &str) -> String {
    let element = if kind == "iscsi" { "target" } else { "volume" };
    format!(
        "<secret private='yes'><uuid>0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f</uuid>\
         <usage type='{kind}'><{element}>{USAGE}</{element}></usage></secret>"
    )
}

pub fn refused_and_taken(lab: &mut Lab) -> Outcome {
    let given = |lab: &Lab, words: &[&str], input: &str| lab.daemon.reeve_with_input(words, input);
    let refused = |lab: &Lab, code: i32, reason: &str| -> Outcome {
        let said = lab.reeve(&["pool", "start", "lab"])?.fails(code);
        assert!(said.contains(reason), "{said}");
        assert_eq!((sessions(), holders(SECRET)?), (0, Vec::new()), "{said}");
        Ok(())
    };
    given(lab, &["pool", "define", "-"], &pool(""))?.ok();
    refused(lab, 6, "add <auth type='chap'")?;
    lab.reeve(&["pool", "undefine", "lab"])?.ok();
    let auth = format!("<auth type='chap' username='reeve'><secret usage='{USAGE}'/></auth>");
    let defined = given(lab, &["pool", "define", "-"], &pool(&auth))?;
    assert_eq!(defined.stderr, "", "nothing is to be warned about");
    defined.ok();
    refused(lab, 7, &format!("there is no secret '{USAGE}'"))?;
    given(lab, &["secret", "define", "-"], &secret("volume"))?.ok();
    refused(lab, 7, "is not for it")?;
    lab.reeve(&["secret", "undefine", USAGE])?.ok();
    given(lab, &["secret", "define", "-"], &secret("iscsi"))?.ok();
    refused(lab, 6, "has no value")?;
    given(lab, &["secret", "set-value", USAGE], "two words")?.ok();
    refused(lab, 7, "can't be one of CHAP")?;
    given(lab, &["secret", "set-value", USAGE], "another-secret")?.ok();
    refused(lab, 6, "refuses user 'reeve'")?;

    given(lab, &["secret", "set-value", USAGE], SECRET)?.ok();
    let commands = watched(|| lab.reeve(&["pool", "start", "lab"]).map(|run| drop(run.ok())))?;
    assert!(commands.iter().any(|words| words.contains("--login")), "{commands:?}");
    assert!(!commands.iter().any(|words| words.contains(SECRET)), "the secret was on a command line");
    assert_eq!((lab.volumes("lab")?, sessions()), (vec!["unit:0:0:0".to_owned()], 1));
    assert_eq!(holders(SECRET)?, Vec::<String>::new());
    let file = lab.daemon.file("content", "told to the one who is known")?;
    lab.reeve(&["vol", "upload", "--pool", "lab", "unit:0:0:0", &file])?.ok();
    assert!(std::fs::read("/units/2")?.starts_with(b"told to the one who is known"));

    // A daemon that was killed while it logged in: what it left goes, and the session stays.
    let mut records = Vec::new();
    walk(&Path::new(RECORDS).join(TARGET), &mut records)?;
    for record in records {
        let text = std::fs::read_to_string(&record)?;
        let left = format!(
            "node.session.auth.authmethod = CHAP\nnode.session.auth.username = reeve\nnode.session.auth.password = {SECRET}\n"
        );
        std::fs::write(&record, text + &left)?;
        std::fs::set_permissions(&record, Permissions::from_mode(0o600))?;
    }
    assert_ne!(holders(SECRET)?, Vec::<String>::new());
    restart(lab, true)?;
    assert_eq!((lab.json(&["pool", "info", "lab"])?["active"].as_bool(), sessions()), (Some(true), 1));
    assert_eq!(holders(SECRET)?, Vec::<String>::new());
    assert_eq!(download(lab, "unit:0:0:0", &["--length", "4"])?, b"told");
    let shown = lab.reeve(&["pool", "xml", "lab"])?.ok();
    assert!(shown.contains("<auth type=") && shown.contains(USAGE) && !shown.contains(SECRET), "{shown}");
    assert!(!lab.daemon.log().contains(SECRET), "the secret is in the log");
    lab.reeve(&["vol", "wipe", "--pool", "lab", "unit:0:0:0"])?.ok();
    assert_eq!(std::fs::read("/units/2")?, vec![0; 16 * MIB as usize]);
    lab.reeve(&["pool", "destroy", "lab"])?.ok();
    assert_eq!(sessions(), 0, "the host is still logged in");
    lab.reeve(&["pool", "undefine", "lab"])?.ok();
    lab.reeve(&["secret", "undefine", USAGE])?.ok();
    Ok(())
}

/// Files of the initiator that hold a text.
pub(super) fn holders(text: &str) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    walk(Path::new("/etc/iscsi"), &mut found)?;
    let holds = |path: &Path| {
        std::fs::read(path).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
    };
    Ok(found.into_iter().filter(|path| holds(path)).map(|path| path.display().to_string()).collect())
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) -> Outcome {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true => walk(&path, found)?,
            false => found.push(path),
        }
    }
    Ok(())
}

/// Command lines of all processes while something is done.
pub(super) fn watched(work: impl FnOnce() -> Outcome) -> anyhow::Result<Vec<String>> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            while !done.load(Ordering::Acquire) {
                for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                    if let Ok(words) = std::fs::read(entry.path().join("cmdline")) {
                        seen.insert(String::from_utf8_lossy(&words).replace('\0', " "));
                    }
                }
                std::thread::park_timeout(std::time::Duration::from_millis(5));
            }
            seen.into_iter().collect()
        });
        let worked = work();
        done.store(true, Ordering::Release);
        let seen = watch.join().expect("the watcher reads files only");
        worked.map(|()| seen)
    })
}
