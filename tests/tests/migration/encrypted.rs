//! A guest on an encrypted disk moves to a host that has the passphrase, and to no other.

use reeve_tests::{Daemon, Guest};

use crate::Outcome;
use crate::pair::{Pair, host, say, state};

const SECRET: &str = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f";
const PASSPHRASE: &str = "correct horse battery staple";

fn define_secret(host: &Daemon, value: &str) -> Outcome {
    let document = format!(
        "<secret private='yes'><uuid>{SECRET}</uuid><usage type='volume'><volume>/srv/a</volume></usage></secret>"
    );
    host.reeve_with_input(&["secret", "define", "-"], &document)?.ok();
    host.reeve_with_input(&["secret", "set-value", SECRET], value)?.ok();
    Ok(())
}

#[test]
fn an_encrypted_disk_is_opened_by_the_secret_of_each_host() -> Outcome {
    let (source, target, place) = (host()?, host()?, tempfile::tempdir()?);
    let mut pair = Pair { source, target, place, addresses: None };
    let images = pair.place.path().display().to_string();
    define_secret(&pair.source, PASSPHRASE)?;
    pair.source.reeve(&["pool", "define-as", "lab", "dir", "-", "-", "-", "-", &images])?.ok();
    pair.source.reeve(&["pool", "start", "lab"])?.ok();
    let encryption =
        format!("<encryption format='luks'><secret type='passphrase' uuid='{SECRET}'/></encryption>");
    let volume =
        format!("<volume><name>a</name><capacity>8388608</capacity><target>{encryption}</target></volume>");
    pair.source.reeve_with_input(&["vol", "create", "lab", "-"], &volume)?.ok();
    let devices = format!(
        "<disk type='file'><source file='{images}/a'>{encryption}</source><target dev='vda' bus='virtio'/></disk>\
         <serial type='pty'><target port='0'/></serial>"
    );
    let document = Guest::locate()?.document_with("guest", 64, "", &devices);
    pair.source.reeve_with_input(&["domain", "define", "-"], &document)?.ok();
    pair.source.reeve(&["domain", "start", "guest"])?.ok();
    say(&pair.source, "", "reeve-guest: ready")?;
    say(&pair.source, "disk put 0 3 before-the-move\n", "ok")?;

    let said = pair.migrate(&["--live"])?.fails(7);
    assert!(said.contains(&format!("there is no secret '{SECRET}'")), "{said}");
    define_secret(&pair.target, "another passphrase")?;
    let said = pair.migrate(&["--live"])?.fails(7);
    assert!(said.contains("does not open it"), "{said}");
    assert_eq!((state(&pair.source)?, state(&pair.target)?), ("running".to_owned(), "absent".to_owned()));
    say(&pair.source, "disk read 0 3\n", "text=before-the-move")?;

    pair.target.reeve_with_input(&["secret", "set-value", SECRET], PASSPHRASE)?.ok();
    pair.migrate(&["--live", "--persistent"])?.ok();
    say(&pair.target, "disk read 0 3\n", "text=before-the-move")?;
    say(&pair.target, "disk put 0 9 after-the-move\n", "ok")?;
    // A daemon that comes later finds it as it is, and there is a way back.
    pair.target.kill()?;
    pair.target.launch()?;
    say(&pair.target, "disk read 0 9\n", "text=after-the-move")?;
    pair.turn_around();
    pair.migrate(&["--live"])?.ok();
    say(&pair.target, "disk read 0 9\n", "text=after-the-move")?;
    for host in [&pair.source, &pair.target] {
        assert!(!host.log().contains("horse"), "the passphrase is in the log");
    }
    Ok(())
}
