//! Directories of the host in a guest (`<filesystem>` with virtiofs).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use reeve_tests::{Daemon, Options, wait};
use rustix::process::{Pid, Signal, kill_process};

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const CONSOLE: &str = "<console type='pty'><target type='virtio' port='0'/></console>";
const SHARED: &str = "<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs' queue='512'/>\
     <source dir='PLACE/shared'/><target dir='projects'/></filesystem>";

/// A domain that shares a directory, in which there is a file.
fn lab(devices: &str) -> anyhow::Result<Lab> {
    let lab = Lab { daemon: Daemon::start()?, place: tempfile::tempdir()? };
    fs::create_dir(lab.file("shared"))?;
    fs::write(lab.file("shared/hello"), "written-on-the-host")?;
    lab.define(&format!("{CONSOLE}{devices}"))?.ok();
    Ok(lab)
}

fn start(lab: &Lab) -> Outcome {
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("", "reeve-guest: ready")?;
    Ok(())
}

/// Processes whose command line has a word with this path in it, as who serves it has.
fn servers(path: &Path) -> Vec<u32> {
    let path = path.display().to_string();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let serves = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        let program = line.split('\0').next().unwrap_or_default();
        program.ends_with("virtiofsd") && line.contains(&path)
    };
    pids.filter(serves).collect()
}

/// Sends a signal to all who serve the directory.
fn signal(lab: &Lab, signal: Signal) -> Outcome {
    for pid in servers(&lab.file("shared")) {
        // The first may have taken others along.
        let _ = kill_process(Pid::from_raw(pid.try_into()?).expect("a process has a number"), signal);
    }
    Ok(())
}

fn all_gone(path: &Path) -> Outcome {
    wait::until("nobody serves the directory", PATIENCE, || servers(path).is_empty())
}

#[test]
fn files_go_both_ways_whatever_becomes_of_guest_and_daemon() -> Outcome {
    let mut lab = lab(SHARED)?;
    start(&lab)?;
    assert!(lab.console("shared info", "queues=1")?.contains("tag=projects"));
    lab.console("shared read hello", "text=written-on-the-host")?;
    lab.console("shared write reply written-in-the-guest", "ok bytes=20")?;
    assert_eq!(fs::read_to_string(lab.file("shared/reply"))?, "written-in-the-guest");
    lab.daemon.kill()?;
    fs::write(lab.file("shared/later"), "while-no-daemon-ran")?;
    lab.daemon.launch()?;
    lab.console("shared read later", "text=while-no-daemon-ran")?;
    // The guest boots again, by itself and because it must.
    lab.console("reboot", "reeve-guest: ready")?;
    lab.console("shared write second after-a-reboot", "ok bytes=14")?;
    assert_eq!(fs::read_to_string(lab.file("shared/second"))?, "after-a-reboot");
    lab.reeve(&["domain", "reset", "web"])?.ok();
    lab.console("shared pour large 600000", "ok bytes=600000")?;
    assert_eq!(fs::metadata(lab.file("shared/large"))?.len(), 600_000);
    // Another daemon than the one that started it ends who serves the directory.
    assert!(!servers(&lab.file("shared")).is_empty());
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    all_gone(&lab.file("shared"))
}

#[test]
fn what_is_only_read_is_not_changed_by_anybody() -> Outcome {
    let devices = SHARED.replace("</filesystem>", "<readonly/></filesystem>");
    let mut lab = lab(&devices)?;
    start(&lab)?;
    lab.console("shared read hello", "text=written-on-the-host")?;
    lab.console("shared write hello something-else", "error errno=30")?;
    lab.console("shared write new something", "error errno=30")?;
    assert_eq!(fs::read_to_string(lab.file("shared/hello"))?, "written-on-the-host");
    // The host may.
    fs::write(lab.file("shared/hello"), "written-again")?;
    lab.console("shared read hello", "text=written-again")?;
    let mounts = |lab: &Lab| -> anyhow::Result<bool> {
        let root = lab.daemon.root().canonicalize()?.display().to_string();
        Ok(fs::read_to_string("/proc/self/mountinfo")?.contains(&root))
    };
    assert!(mounts(&lab)?);
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    lab.console("shared read hello", "text=written-again")?;
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    assert!(!mounts(&lab)?, "its view is still mounted");
    assert_eq!(fs::read_to_string(lab.file("shared/hello"))?, "written-again");
    Ok(())
}

#[test]
fn a_guest_goes_on_without_who_served_it_until_its_next_start() -> Outcome {
    let lab = lab(SHARED)?;
    start(&lab)?;
    lab.console("shared read hello", "text=written-on-the-host")?;
    signal(&lab, Signal::KILL)?;
    let words = "what serves a shared directory has ended";
    wait::until("the daemon says so", PATIENCE, || lab.daemon.log().contains(words))?;
    lab.console("ping alive", "pong alive")?;
    lab.console("reboot", "reeve-guest: ready")?;
    lab.console("ping again", "pong again")?;
    assert_eq!(lab.state()?, "running");
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    start(&lab)?;
    lab.console("shared read hello", "text=written-on-the-host")?;
    Ok(())
}

#[test]
fn who_serves_a_directory_and_does_not_stop_is_killed() -> Outcome {
    let lab = lab(SHARED)?;
    start(&lab)?;
    lab.console("shared read hello", "text=written-on-the-host")?;
    signal(&lab, Signal::STOP)?;
    lab.reeve(&["domain", "reset", "web"])?.ok();
    // It has the memory of the guest until then.
    all_gone(&lab.file("shared"))?;
    lab.console("ping alive", "pong alive")?;
    assert_eq!(lab.state()?, "running");
    Ok(())
}

#[test]
fn many_that_do_not_stop_take_no_longer_than_one() -> Outcome {
    // A reset may take 20 seconds, and each is waited for 5.
    let many: Vec<String> = (0..5).map(|number| format!("shared{number}")).collect();
    let devices = many
        .iter()
        .map(|name| SHARED.replace("projects", name).replace("PLACE/shared", &format!("PLACE/{name}")));
    let lab = Lab { daemon: Daemon::start()?, place: tempfile::tempdir()? };
    for name in &many {
        fs::create_dir(lab.file(name))?;
        fs::write(lab.file(name).join("hello"), "written-on-the-host")?;
    }
    lab.define(&format!("{CONSOLE}{}", devices.collect::<String>()))?.ok();
    start(&lab)?;
    for number in 0..many.len() {
        lab.console(&format!("shared {number} read hello"), "text=written-on-the-host")?;
    }
    signal(&lab, Signal::STOP)?;
    lab.reeve(&["domain", "reset", "web"])?.ok();
    all_gone(&lab.file("shared"))?;
    lab.console("ping alive", "pong alive")?;
    assert_eq!(lab.state()?, "running");
    Ok(())
}

#[test]
fn who_serves_a_directory_ends_when_the_daemon_dies_before_it_is_noted() -> Outcome {
    let place = tempfile::tempdir()?;
    let real = ["/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd"];
    let real = real.into_iter().find(|path| Path::new(path).is_file()).expect("this host has a virtiofsd");
    // The real one, which begins when the daemon is dead.
    let program = place.path().join("after-the-daemon");
    let ended = place.path().join("ended");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --help ]; then exec {real} --help; fi\nkill -9 $PPID\n{real} \"$@\"\ntouch {}\n",
        ended.display()
    );
    fs::write(&program, script)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let config = format!("[workers]\nvirtiofsd = '{}'\n", program.display());
    let mut lab = Lab { daemon: Daemon::start_with(Options { config, ..Options::default() })?, place };
    fs::create_dir(lab.file("shared"))?;
    lab.define(&format!("{CONSOLE}{SHARED}"))?.ok();
    assert_ne!(lab.reeve(&["domain", "start", "web"])?.code, 0, "the daemon lives");
    lab.daemon.wait()?;
    wait::until("who serves the directory ends", PATIENCE, || ended.exists())?;
    lab.daemon.launch()?;
    assert_eq!(lab.state()?, "shut off");
    Ok(())
}

#[test]
fn a_guest_that_shares_a_directory_stays_in_its_machine() -> Outcome {
    let lab = lab(SHARED)?;
    start(&lab)?;
    let file = lab.file("saved").display().to_string();
    let away = format!("reeve+unix://{}/another/reeve.sock", lab.daemon.root().display());
    let refused: [&[&str]; 4] = [
        &["domain", "save", "web", &file],
        &["domain", "managedsave", "web"],
        &["domain", "snapshot-create-as", "web", "one"],
        &["domain", "migrate", "web", &away],
    ];
    for words in refused {
        let said = lab.reeve(words)?.fails(1);
        assert!(said.contains("shares the directory") && said.contains("/shared'"), "{words:?}: {said}");
    }
    let another =
        SHARED.replace("'projects'", "'more'").replace("PLACE", &lab.place.path().display().to_string());
    let plug = ["domain", "attach-device", "web", "-"];
    let said = lab.daemon.reeve_with_input(&[&plug[..], &["--live"]].concat(), &another)?;
    assert_ne!(said.code, 0, "it was plugged into a running machine");
    lab.daemon.reeve_with_input(&[&plug[..], &["--config"]].concat(), &another)?.ok();
    lab.console("shared read hello", "text=written-on-the-host")?;
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    start(&lab)?;
    lab.console("shared 1 read hello", "text=written-on-the-host")?;
    Ok(())
}

#[test]
fn what_cannot_be_shared_is_said_before_a_machine_is_made() -> Outcome {
    let lab = lab(SHARED)?;
    let refused = |devices: &str| -> anyhow::Result<String> {
        lab.reeve(&["domain", "undefine", "web"])?.ok();
        lab.define(&format!("{CONSOLE}{devices}"))?.ok();
        let run = lab.reeve(&["domain", "start", "web"])?;
        assert_ne!(run.code, 0, "{devices}");
        Ok(run.stderr)
    };
    let said = refused(&SHARED.replace("<driver type='virtiofs' queue='512'/>", ""))?;
    assert!(said.contains("say <driver type='virtiofs'/>"), "{said}");
    let said = refused(&SHARED.replace("passthrough", "mapped"))?;
    assert!(said.contains("virtiofs has passthrough only"), "{said}");
    let said = refused(&SHARED.replace("<source dir='PLACE/shared'/>", ""))?;
    assert!(said.contains("has no directory"), "{said}");
    let said = refused(&SHARED.replace("PLACE/shared", "PLACE/nowhere"))?;
    assert!(said.contains("/nowhere' can't be opened"), "{said}");
    let said = refused(&SHARED.replace("PLACE/shared", "PLACE/shared/hello"))?;
    assert!(said.contains("/shared/hello' can't be opened"), "{said}");
    let said = refused(&SHARED.replace("<source", "<binary path='/usr/local/libexec/virtiofsd'/><source"))?;
    assert!(said.contains("'/usr/local/libexec/virtiofsd', is not there"), "{said}");
    let said = refused(&SHARED.replace("<source", "<binary path='/bin/true'/><source"))?;
    assert!(said.contains("'/bin/true' may not serve it"), "{said}");
    let said = refused(&SHARED.replace("'512'", "'500'"))?;
    assert!(said.contains("a power of two"), "{said}");
    all_gone(&lab.file("shared"))?;
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    lab.define(&format!("{CONSOLE}{SHARED}"))?.ok();
    start(&lab)
}
