//! The agent in a guest: what it tells and does (guide 10.2, 14.9.1, 14.9.4, 21.5).

use reeve_model::snapshot::CreateSnapshot;
use reeve_tests::wait;

use crate::lab::{AGENT, Lab};
use crate::{Outcome, PATIENCE};

const MAC: &str = "52:54:00:00:00:07";

fn devices() -> String {
    format!(
        "{AGENT}<disk type='file'><driver name='qemu' type='raw'/><source file='PLACE/disk'/>\
         <target dev='vda' bus='virtio'/><address type='pci' domain='0' bus='0' slot='7' function='0'/></disk>\
         <interface type='ethernet'><mac address='{MAC}'/><model type='virtio'/></interface>"
    )
}

fn lab() -> anyhow::Result<Lab> {
    let lab = Lab::with_domain(&devices())?;
    std::fs::write(lab.file("disk"), vec![0; 1 << 20])?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("", "reeve-guest: ready")?;
    Ok(lab)
}

#[test]
fn a_guest_says_what_it_is() -> Outcome {
    let lab = lab()?;
    let pong = lab.reeve(&["domain", "qemu-agent-command", "web", r#"{"execute":"guest-ping"}"#])?.ok();
    assert_eq!(pong, "{\"return\":{}}\n");
    let info =
        lab.reeve(&["domain", "agent-command", "web", r#"{"execute":"guest-info"}"#, "--pretty"])?.ok();
    assert!(info.contains("\n  \"return\"") && info.contains("guest-fsfreeze-freeze"), "{info}");
    let said =
        lab.reeve(&["domain", "qemu-agent-command", "web", r#"{"execute":"guest-nonsense"}"#])?.fails(1);
    assert!(said.contains("'web'") && said.contains("does not do guest-nonsense"), "{said}");
    let said = lab.reeve(&["domain", "qemu-agent-command", "web", "ping"])?.fails(1);
    assert!(said.contains("is not JSON"), "{said}");
    assert_eq!(lab.reeve(&["domain", "domhostname", "web"])?.ok(), "reeve-guest\n");

    let filesystems = lab.json(&["domain", "domfsinfo", "web"])?;
    assert_eq!(filesystems[0]["mountpoint"], "/disk0");
    assert_eq!((&filesystems[0]["total"], &filesystems[0]["disks"][0]), (&(1 << 20).into(), &"vda".into()));
    let addresses = lab.reeve(&["domain", "domifaddr", "web", "--source", "agent"])?.ok();
    let row: Vec<&str> = addresses.lines().last().unwrap_or_default().split_whitespace().collect();
    assert!(row.len() == 4 && row[1..] == [MAC, "ipv4", "192.0.2.1/24"], "{addresses}");
    Ok(())
}

#[test]
fn a_guest_that_was_saved_is_asked_as_before() -> Outcome {
    let lab = lab()?;
    lab.reeve(&["domain", "managedsave", "web"])?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    assert_eq!(lab.reeve(&["domain", "domhostname", "web"])?.ok(), "reeve-guest\n");
    Ok(())
}

#[test]
fn a_guest_does_what_it_is_asked() -> Outcome {
    let lab = lab()?;
    let frozen = lab.reeve(&["domain", "domfsfreeze", "web"])?.ok();
    assert_eq!(frozen, "1 file system is frozen\n");
    lab.console("agent", "frozen=true")?;
    let said = lab.reeve(&["domain", "domfsfreeze", "web"])?.fails(6);
    assert!(said.contains("frozen already") && said.contains("domfsthaw web"), "{said}");
    assert_eq!(lab.reeve(&["domain", "domfsthaw", "web"])?.ok(), "1 file system is thawed\n");
    lab.console("agent", "frozen=false")?;
    let frozen = lab.reeve(&["domain", "domfsfreeze", "web", "--mountpoint", "/elsewhere"])?.ok();
    assert_eq!(frozen, "0 file systems are frozen\n");
    lab.reeve(&["domain", "domfsthaw", "web"])?.ok();

    let trimmed = lab.json(&["domain", "domfstrim", "web", "--minimum", "64K"])?;
    assert_eq!((&trimmed[0]["path"], &trimmed[0]["trimmed"]), (&"/disk0".into(), &4096.into()));
    lab.console("agent", "trimmed=65536")?;

    let set = lab.reeve(&["domain", "domtime", "web", "--time", "1400000000"])?.ok();
    assert!(set.starts_with("Time: 14000000"), "{set}");
    let shown = lab.reeve(&["domain", "domtime", "web", "--pretty"])?.ok();
    assert!(shown.contains("2014-05-13"), "{shown}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    lab.reeve(&["domain", "domtime", "web", "--now"])?.ok();
    let shown = lab.json(&["domain", "domtime", "web"])?;
    let seconds = shown["nanoseconds"].as_u64().unwrap_or_default() / 1_000_000_000;
    assert!((now..now + 60).contains(&seconds), "{shown}");
    lab.reeve(&["domain", "domtime", "web", "--sync"])?.ok();

    let has = |text: &str, name: &str, value: &str| {
        text.lines().any(|line| line.split_whitespace().eq([format!("{name}:").as_str(), value]))
    };
    let vcpus = lab.reeve(&["domain", "guestvcpus", "web"])?.ok();
    assert!(has(&vcpus, "online", "0-1") && has(&vcpus, "offlinable", "1"), "{vcpus}");
    let vcpus = lab.reeve(&["domain", "guestvcpus", "web", "1", "--disable"])?.ok();
    assert!(has(&vcpus, "vcpus", "0-1") && has(&vcpus, "online", "0"), "{vcpus}");
    lab.console("agent", "offline=0x2")?;
    let said = lab.reeve(&["domain", "guestvcpus", "web", "0", "--disable"])?.fails(7);
    assert!(said.contains("vCPU 0, which it can't do without"), "{said}");
    let said = lab.reeve(&["domain", "guestvcpus", "web", "0-5", "--enable"])?.fails(7);
    assert!(said.contains("vCPU 2, which it has not"), "{said}");
    assert!(has(&lab.reeve(&["domain", "guestvcpus", "web", "1", "--enable"])?.ok(), "online", "0-1"));
    let said = lab.reeve(&["domain", "setvcpus", "web", "1", "--guest"])?.ok();
    assert!(has(&said, "maximum", "2") && has(&said, "current", "1"), "{said}");
    assert_eq!(lab.reeve(&["domain", "vcpucount", "web", "--guest"])?.ok(), "1\n");
    assert_eq!(lab.reeve(&["domain", "vcpucount", "web", "--live", "--active"])?.ok(), "2\n");
    let said = lab.reeve(&["domain", "setvcpus", "web", "3", "--guest"])?.fails(7);
    assert!(said.contains("can't use 3 vCPUs") && said.contains("1 to 2"), "{said}");
    lab.reeve(&["domain", "setvcpus", "web", "2", "--guest"])?.ok();
    assert_eq!(lab.reeve(&["domain", "vcpucount", "web", "--guest"])?.ok(), "2\n");

    let user = |name| ["domain", "set-user-password", "web", name];
    let said = lab.daemon.reeve_with_input(&user("root"), "correct-horse-7341\n")?.ok();
    assert!(said.contains("User 'root'"), "{said}");
    lab.console("agent", "password=root")?;
    let said = lab.daemon.reeve_with_input(&["domain", "set-user-password", "web", "nobody"], "x")?.fails(6);
    assert!(said.contains("no such user"), "{said}");
    assert!(!lab.daemon.log().contains("correct-horse-7341"), "a password is in the log");
    Ok(())
}

#[test]
fn a_guest_is_thawed_when_nobody_waits_for_its_snapshot() -> Outcome {
    let lab = lab()?;
    let guest_is = |state: &str| {
        lab.console("agent", "heard=").is_ok_and(|said| said.contains(&format!("frozen={state} ")))
    };
    lab.console("agent hold", "ok")?;
    let (client, document) = (lab.daemon.client(), "<domainsnapshot><name>one</name></domainsnapshot>");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let how = CreateSnapshot { disk_only: true, quiesce: true, ..CreateSnapshot::default() };
    let asked = runtime.spawn(async move { client.create_snapshot("web", document, how).await });
    wait::until("the guest is frozen", PATIENCE, || guest_is("true"))?;
    assert!(!asked.is_finished(), "its agent has not said so yet");
    // The client goes.
    asked.abort();
    drop(runtime);
    lab.console("agent release", "ok")?;
    wait::until("the guest is thawed", PATIENCE, || guest_is("false"))?;
    wait::until("the snapshot is made", PATIENCE, || {
        lab.reeve(&["domain", "snapshot-list", "web", "--name"]).is_ok_and(|run| run.stdout == "one\n")
    })?;

    // What somebody else has frozen they thaw.
    lab.reeve(&["domain", "domfsfreeze", "web"])?.ok();
    let words = ["domain", "snapshot-create-as", "web", "two", "--disk-only", "--quiesce"];
    let said = lab.reeve(&words)?.fails(6);
    assert!(said.contains("frozen already"), "{said}");
    assert!(guest_is("true"));
    lab.reeve(&["domain", "domfsthaw", "web"])?.ok();
    Ok(())
}

/// Tests of modes watch who acted: a guest that ignores its button ends by its agent or not at all.
#[test]
fn a_guest_is_ended_by_its_agent() -> Outcome {
    let lab = lab()?;
    lab.console("ignore-button on", "ok")?;
    let said = lab.reeve(&["domain", "reboot", "web", "--mode", "agent"])?.ok();
    assert_eq!(said, "Domain 'web' is being rebooted\n");
    wait::until("the guest has rebooted", PATIENCE, || {
        let events = lab.reeve(&["domain", "events", "web", "--after", "0", "--timeout", "0", "-o", "json"]);
        events.is_ok_and(|events| events.stdout.contains("\"change\":\"rebooted\""))
    })?;
    lab.console("ping", "pong")?;
    lab.console("ignore-button on", "ok")?;
    let said = lab.reeve(&["domain", "shutdown", "web", "--mode", "agent"])?.ok();
    assert_eq!(said, "Domain 'web' is being shut down\n");
    wait::until("the guest has shut down", PATIENCE, || lab.state().is_ok_and(|state| state == "shut off"))?;

    // By default the agent is asked where it answers.
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("ignore-button on", "ok")?;
    lab.reeve(&["domain", "shutdown", "web"])?.ok();
    wait::until("the guest has shut down", PATIENCE, || lab.state().is_ok_and(|state| state == "shut off"))?;
    let said = lab.reeve(&["domain", "shutdown", "web", "--mode", "agent"])?.fails(6);
    assert!(said.contains("is not running"), "{said}");
    Ok(())
}

#[test]
fn a_guest_without_its_agent_has_a_button() -> Outcome {
    let lab = lab()?;
    lab.console("agent off", "ok")?;
    let said = lab.reeve(&["domain", "shutdown", "web", "--mode", "agent"])?.fails(6);
    assert!(said.contains("'web'") && said.contains("nobody in the guest has channel"), "{said}");
    assert_eq!(lab.state()?, "running");
    let said = lab.reeve(&["domain", "shutdown", "web", "--mode", "initctl"])?.fails(1);
    assert!(said.contains("for containers"), "{said}");
    lab.reeve(&["domain", "shutdown", "web", "--mode", "acpi"])?.ok();
    wait::until("the guest has shut down", PATIENCE, || lab.state().is_ok_and(|state| state == "shut off"))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("agent off", "ok")?;
    lab.reeve(&["domain", "shutdown", "web"])?.ok();
    wait::until("the guest has shut down", PATIENCE, || lab.state().is_ok_and(|state| state == "shut off"))?;
    Ok(())
}

#[test]
fn a_domain_without_the_channel_is_told_how_to_get_it() -> Outcome {
    let lab = Lab::with_guest("<serial type='pty'/>")?;
    let said = lab.reeve(&["domain", "domhostname", "web"])?.fails(1);
    assert!(said.contains("<channel type='unix'>") && said.contains("org.qemu.guest_agent.0"), "{said}");
    Ok(())
}
