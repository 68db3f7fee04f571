//! The command line against a real daemon: every verb on the simulator, what is refused and how, and what survives a restart.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use reeve_tests::{Daemon, Options, Run, wait};
use rustix::process::Signal;

type Outcome = anyhow::Result<()>;

/// A simulated domain; `inside` goes between its tags.
fn domain(name: &str, inside: &str) -> String {
    format!(
        "<domain type='sim'>\n  <name>{name}</name>\n  <memory unit='MiB'>256</memory>\n  <vcpu>2</vcpu>\n  \
         <os><type arch='x86_64'>hvm</type></os>\n  <devices><console type='pty'/></devices>\n{inside}</domain>\n"
    )
}

fn define(daemon: &Daemon, name: &str) -> Outcome {
    let file = daemon.file(&format!("{name}.xml"), &domain(name, ""))?;
    assert_eq!(daemon.reeve(&["domain", "define", &file])?.ok(), format!("Domain '{name}' defined\n"));
    Ok(())
}

fn state(daemon: &Daemon, name: &str) -> anyhow::Result<String> {
    Ok(daemon.reeve(&["domain", "state", name, "--reason"])?.ok().trim_end().to_owned())
}

#[test]
fn a_domain_lives() -> Outcome {
    let daemon = Daemon::start()?;
    define(&daemon, "web")?;
    assert_eq!(state(&daemon, "web")?, "shut off (unknown)");
    let verbs = [
        (["domain", "start"], "Domain 'web' started\n", "running (booted)"),
        (["domain", "suspend"], "Domain 'web' suspended\n", "paused (user)"),
        (["domain", "resume"], "Domain 'web' resumed\n", "running (unpaused)"),
        (["domain", "reset"], "Domain 'web' reset\n", "running (booted)"),
        (["domain", "destroy"], "Domain 'web' destroyed\n", "shut off (destroyed)"),
        (["domain", "start"], "Domain 'web' started\n", "running (booted)"),
    ];
    for (verb, said, after) in verbs {
        assert_eq!(daemon.reeve(&[&verb[..], &["web"]].concat())?.ok(), said);
        assert_eq!(state(&daemon, "web")?, after, "after {verb:?}");
    }
    let said = daemon.reeve(&["domain", "reboot", "web"])?.ok();
    assert_eq!(said, "Domain 'web' is being rebooted\n");
    wait::until("the guest has rebooted", Duration::from_secs(10), || {
        let events =
            daemon.reeve(&["domain", "events", "web", "--after", "0", "--timeout", "0", "-o", "json"]);
        events.is_ok_and(|events| events.stdout.contains("\"change\":\"rebooted\""))
    })?;
    assert!(state(&daemon, "web")?.starts_with("running"));
    let list = daemon.reeve(&["domain", "list"])?.ok();
    assert!(list.lines().any(|line| line.split_whitespace().eq(["2", "web", "running"])), "{list}");
    daemon.reeve(&["domain", "shutdown", "web"])?.ok();
    wait::until("the guest has shut down", Duration::from_secs(10), || {
        state(&daemon, "web").is_ok_and(|state| state.starts_with("shut off"))
    })?;
    assert!(!daemon.reeve(&["domain", "list"])?.ok().contains("web"));
    assert_eq!(daemon.reeve(&["domain", "list", "--all", "--name"])?.ok(), "web\n");
    daemon.reeve(&["domain", "undefine", "web"])?.ok();
    assert_eq!(daemon.reeve(&["domain", "list", "--all", "--name"])?.ok(), "");
    Ok(())
}

#[test]
fn lists_are_filtered_and_machine_readable() -> Outcome {
    let daemon = Daemon::start()?;
    for name in ["a", "b", "c"] {
        define(&daemon, name)?;
    }
    for name in ["a", "b"] {
        daemon.reeve(&["domain", "start", name])?.ok();
    }
    daemon.reeve(&["domain", "suspend", "b"])?.ok();
    daemon.reeve(&["domain", "autostart", "c"])?.ok();
    let names = |options: &[&str]| -> anyhow::Result<String> {
        let arguments = [&["domain", "list", "--name"], options].concat();
        Ok(daemon.reeve(&arguments)?.ok().replace('\n', " "))
    };
    assert_eq!(names(&[])?, "a b ");
    assert_eq!(names(&["--inactive"])?, "c ");
    assert_eq!(names(&["--all"])?, "a b c ");
    assert_eq!(names(&["--state-paused", "--state-shutoff"])?, "b c ");
    assert_eq!(names(&["--all", "--autostart"])?, "c ");
    assert_eq!(names(&["--transient"])?, "");
    let json: serde_json::Value =
        serde_json::from_str(&daemon.reeve(&["domain", "list", "-o", "json"])?.ok())?;
    assert_eq!(json[1]["state"], "paused");
    assert!(daemon.reeve(&["domain", "list", "-o", "xml"])?.ok().contains("<name>b</name>"));
    Ok(())
}

#[test]
fn a_transient_domain_leaves_nothing() -> Outcome {
    let daemon = Daemon::start()?;
    let said = daemon.reeve_with_input(&["domain", "create", "-"], &domain("build", ""))?.ok();
    assert_eq!(said, "Domain 'build' created\n");
    let info = daemon.reeve(&["domain", "info", "build"])?.ok();
    assert!(info.contains("Persistent:     no"), "{info}");
    daemon.reeve(&["domain", "destroy", "build"])?.ok();
    daemon.reeve(&["domain", "info", "build"])?.fails(3);
    Ok(())
}

#[test]
fn documents_that_are_wrong_are_refused_with_their_place() -> Outcome {
    let daemon = Daemon::start()?;
    let cases = [
        ("<domain type='sim'>\n  <name>web</nam>\n</domain>", "line 2, column 12"),
        ("<domain type='sim'><name>web</name></domain>", "memory"),
        (&domain("web", "").replace("256", "much"), "line 3"),
        (&domain("web", "").replace(">2<", ">0<"), "vcpu"),
        (&domain("web", "").replace("'MiB'>256", "'PiB'>9000"), "memory"),
        ("not xml at all", "line 1"),
        ("", "line 1"),
    ];
    for (document, place) in cases {
        let said = daemon.reeve_with_input(&["domain", "define", "-"], document)?.fails(7);
        assert!(said.starts_with("error: ") && said.contains(place), "{document}\n{said}");
    }
    let file = daemon.file("typo.xml", &domain("web", "  <currentMemroy>1</currentMemroy>\n"))?;
    let strict = daemon.reeve(&["domain", "define", "--strict", &file])?.fails(7);
    assert!(strict.contains("currentMemroy") && strict.contains("line 7"), "{strict}");
    assert_eq!(daemon.reeve(&["domain", "list", "--all", "--name"])?.ok(), "", "nothing is half defined");
    let lenient = daemon.reeve(&["domain", "define", &file])?;
    assert!(lenient.stderr.contains("warning: line 7") && lenient.code == 0, "{lenient:?}");
    assert!(daemon.reeve(&["domain", "xml", "web"])?.ok().contains("<currentMemroy>1</currentMemroy>"));
    daemon.reeve(&["domain", "define", "/does/not/exist.xml"])?.fails(3);
    Ok(())
}

#[test]
fn names_and_uuids_belong_together() -> Outcome {
    let daemon = Daemon::start()?;
    define(&daemon, "web")?;
    let said = daemon.reeve_with_input(&["domain", "define", "-"], &domain("web", ""))?.fails(6);
    assert!(said.contains("'web'"), "{said}");
    let uuid = daemon.reeve(&["domain", "list", "--all", "--uuid"])?.ok();
    let other = domain("other", &format!("<uuid>{}</uuid>", uuid.trim()));
    let said = daemon.reeve_with_input(&["domain", "define", "-"], &other)?.fails(6);
    assert!(said.contains(uuid.trim()), "{said}");
    assert_eq!(daemon.reeve(&["domain", "list", "--all", "--name"])?.ok(), "web\n");
    Ok(())
}

#[test]
fn what_makes_no_sense_now_is_a_wrong_state() -> Outcome {
    let daemon = Daemon::start()?;
    define(&daemon, "web")?;
    for verb in ["shutdown", "reboot", "reset", "destroy", "suspend", "resume", "stats", "console"] {
        let said = daemon.reeve(&["domain", verb, "web"])?.fails(6);
        assert!(said.starts_with("error: domain 'web' is not running"), "{verb}: {said}");
    }
    daemon.reeve(&["domain", "setmem", "web", "128M", "--live"])?.fails(6);
    daemon.reeve(&["domain", "start", "web"])?.ok();
    let said = daemon.reeve(&["domain", "start", "web"])?.fails(6);
    assert!(said.contains("'web'") && said.contains("running"), "{said}");
    daemon.reeve(&["domain", "resume", "web"])?.fails(6);
    let said = daemon.reeve(&["domain", "start", "nobody"])?.fails(3);
    assert!(said.contains("'nobody'"), "{said}");
    Ok(())
}

#[test]
fn a_kernel_that_is_not_there_is_named() -> Outcome {
    let daemon = Daemon::start()?;
    let document = domain("vm", "").replace("'sim'", "'kvm'");
    let document = document.replace("</type>", "</type><kernel>/does/not/exist</kernel>");
    daemon.reeve_with_input(&["domain", "define", "-"], &document)?.ok();
    let said = daemon.reeve(&["domain", "start", "vm"])?;
    assert!(said.code != 0 && said.stderr.contains("/does/not/exist"), "{said:?}");
    assert!(state(&daemon, "vm")?.starts_with("shut off"));
    let left = std::fs::read_dir(daemon.root().join("run/reeve/domains"))?.count();
    assert_eq!(left, 0, "nothing of the start is left");
    Ok(())
}

#[test]
fn devices_come_and_go() -> Outcome {
    let daemon = Daemon::start()?;
    define(&daemon, "web")?;
    let image = daemon.file("data.img", "")?;
    let disk = format!(
        "<disk type='file' device='disk'><source file='{image}'/><target dev='vdb' bus='virtio'/></disk>"
    );
    daemon.reeve_with_input(&["domain", "attach-device", "web", "--file", "-"], &disk)?.ok();
    assert!(daemon.reeve(&["domain", "xml", "web"])?.ok().contains("dev='vdb'"));
    daemon.reeve_with_input(&["domain", "attach-device", "web", "-"], &disk)?.fails(6);
    daemon.reeve_with_input(&["domain", "detach-device", "web", "-"], &disk)?.ok();
    assert!(!daemon.reeve(&["domain", "xml", "web"])?.ok().contains("vdb"));
    daemon.reeve_with_input(&["domain", "attach-device", "web", "-"], "<disk")?.fails(7);
    daemon.reeve_with_input(&["domain", "attach-device", "web", "-", "--persistent"], &disk)?.ok();
    let changed = disk.replace("bus='virtio'/>", "bus='virtio'/><readonly/>");
    let said = daemon.reeve_with_input(&["domain", "update-device", "web", "-"], &changed)?.ok();
    assert_eq!(said, "Domain 'web' has the changed device now\n");
    assert!(daemon.reeve(&["domain", "xml", "web"])?.ok().contains("<readonly/>"));
    daemon.reeve_with_input(&["domain", "detach-device", "web", "-"], &disk)?.ok();
    daemon.reeve_with_input(&["domain", "update-device", "web", "-", "--current", "--live"], &disk)?.fails(2);
    daemon.reeve(&["domain", "start", "web", "--paused"])?.ok();
    assert!(state(&daemon, "web")?.starts_with("paused"));
    daemon.reeve_with_input(&["domain", "attach-device", "web", "-", "--config"], &disk)?.ok();
    assert!(!daemon.reeve(&["domain", "xml", "web"])?.ok().contains("vdb"));
    assert!(daemon.reeve(&["domain", "xml", "web", "--inactive"])?.ok().contains("vdb"));
    Ok(())
}

#[test]
fn interfaces_come_and_go_by_what_is_said_of_them() -> Outcome {
    let daemon = Daemon::start()?;
    define(&daemon, "web")?;
    let (seven, eight) = ("52:54:00:00:00:07", "52:54:00:00:00:08");
    let said = daemon
        .reeve(&[
            "domain",
            "attach-interface",
            "web",
            "bridge",
            "br0",
            "--mac",
            seven,
            "--inbound",
            "1000,,512",
        ])?
        .ok();
    assert_eq!(said, "Domain 'web' has the interface now\n");
    let document = daemon.reeve(&["domain", "xml", "web"])?.ok();
    assert!(document.contains("<inbound average='1000' burst='512'/>"), "{document}");
    daemon
        .reeve(&["domain", "attach-interface", "web", "bridge", "br1", "--mac", eight, "--persistent"])?
        .ok();
    assert_eq!(daemon.reeve(&["domain", "domiflist", "web"])?.ok().matches("virtio").count(), 2);
    let said = daemon
        .reeve(&["domain", "attach-interface", "web", "bridge", "br0", "--script", "/etc/up"])?
        .fails(2);
    assert!(said.contains("'/etc/up' is not run") && said.contains("port-plug"), "{said}");

    let said = daemon.reeve(&["domain", "detach-interface", "web", "bridge"])?.fails(2);
    assert!(said.contains("several interfaces") && said.contains("--mac"), "{said}");
    let said = daemon.reeve(&["domain", "detach-interface", "web", "network"])?.fails(2);
    assert!(said.contains("no interface of type 'network'"), "{said}");
    daemon.reeve(&["domain", "detach-interface", "web", "bridge", "--mac", seven])?.ok();
    daemon.reeve(&["domain", "detach-interface", "web", "bridge"])?.ok();
    let tap = "<interface type='ethernet'><target dev='tap7'/><model type='virtio'/></interface>";
    daemon.reeve_with_input(&["domain", "attach-device", "web", "-"], tap)?.ok();
    daemon.reeve(&["domain", "detach-interface", "web", "ethernet"])?.ok();
    assert!(!daemon.reeve(&["domain", "xml", "web"])?.ok().contains("<interface"));
    Ok(())
}

#[test]
fn memory_follows_the_balloon() -> Outcome {
    let daemon = Daemon::start()?;
    define(&daemon, "web")?;
    daemon.reeve(&["domain", "start", "web"])?.ok();
    daemon.reeve(&["domain", "setmem", "web", "128M"])?.ok();
    wait::until("the balloon is inflated", Duration::from_secs(10), || {
        let info = daemon.reeve(&["domain", "info", "web"]);
        info.is_ok_and(|info| info.stdout.contains("Used memory:    131072 KiB"))
    })?;
    daemon.reeve(&["domain", "setmem", "web", "4G"])?.fails(7);
    daemon.reeve(&["domain", "setmem", "web", "a lot"])?.fails(2);
    Ok(())
}

#[test]
fn counters_and_the_hosts_memory_are_shown() -> Outcome {
    let daemon = Daemon::start()?;
    define(&daemon, "web")?;
    daemon.reeve(&["domain", "start", "web"])?.ok();
    let stats: serde_json::Value =
        serde_json::from_str(&daemon.reeve(&["domain", "stats", "web", "-o", "json"])?.ok())?;
    assert_eq!(stats["vcpu_time_ns"].as_array().map(Vec::len), Some(2), "{stats}");
    assert_eq!(stats["balloon_current"], 256 << 20, "{stats}");
    assert!(daemon.reeve(&["domain", "stats", "web"])?.ok().contains("vCPU times:"));
    let memory: serde_json::Value =
        serde_json::from_str(&daemon.reeve(&["node", "memory", "-o", "json"])?.ok())?;
    let meminfo = std::fs::read_to_string("/proc/meminfo")?;
    let total = meminfo.split_whitespace().nth(1).unwrap_or_default();
    assert_eq!(memory["total"].as_u64().map(|bytes| (bytes >> 10).to_string()).as_deref(), Some(total));
    assert!(memory["available"].as_u64() <= memory["total"].as_u64(), "{memory}");
    Ok(())
}

#[test]
fn events_are_told_in_order() -> Outcome {
    let daemon = Daemon::start()?;
    define(&daemon, "web")?;
    daemon.reeve(&["domain", "start", "web"])?.ok();
    daemon.reeve(&["domain", "destroy", "web"])?.ok();
    let lines =
        daemon.reeve(&["domain", "events", "web", "--after", "0", "--timeout", "0", "-o", "json"])?.ok();
    let events: Vec<serde_json::Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let changes: Vec<_> = events.iter().filter_map(|event| event["change"].as_str()).collect();
    assert_eq!(changes[..2], ["defined", "started"], "{lines}");
    assert!(changes.contains(&"stopped"), "{lines}");
    assert!(events.windows(2).all(|pair| pair[0]["seq"].as_u64() < pair[1]["seq"].as_u64()));
    assert_eq!(events[0]["actor"]["kind"], "client");
    Ok(())
}

#[test]
fn an_edit_is_never_lost() -> Outcome {
    let daemon = Daemon::start()?;
    define(&daemon, "web")?;
    let edit = |script: &str| {
        Run::reeve(
            daemon.root(),
            &["domain", "edit", "web"],
            "",
            &[("EDITOR", OsStr::new(script)), ("VISUAL", OsStr::new(""))],
        )
    };
    assert_eq!(edit("true")?.ok(), "Domain 'web' is unchanged\n");
    assert_eq!(edit("sed -i s/262144/524288/")?.ok(), "Domain 'web' edited\n");
    assert!(daemon.reeve(&["domain", "xml", "web"])?.ok().contains("524288"));
    let said = edit("sed -i s,/vcpu,/vcpus,")?.fails(7);
    let kept = said.split('\'').nth(1).unwrap_or_default();
    assert!(std::fs::read_to_string(kept)?.contains("/vcpus"), "{said}");
    std::fs::remove_file(kept)?;
    edit("false")?.fails(1);
    let said = edit("sed -i s/web/other/")?.fails(7);
    std::fs::remove_file(said.split('\'').nth(1).unwrap_or_default())?;
    let meanwhile = daemon.file(
        "meanwhile",
        "sed -i s/524288/131072/ $1 && EDITOR='sed -i s/524288/65536/' $REEVE domain edit web",
    )?;
    let reeve = reeve_tests::binary()?;
    let editor = format!("REEVE={} sh {meanwhile}", reeve.display());
    let said = edit(&editor)?.fails(6);
    assert!(said.contains("changed by somebody else"), "{said}");
    std::fs::remove_file(said.split('\'').nth(1).unwrap_or_default())?;
    assert!(daemon.reeve(&["domain", "xml", "web"])?.ok().contains("65536"));
    Ok(())
}

#[test]
fn a_domain_is_known_by_name_number_and_description() -> Outcome {
    let daemon = Daemon::start()?;
    define(&daemon, "web")?;
    let said = |arguments: &[&str]| daemon.reeve(arguments).map(Run::ok);
    let uuid = said(&["domain", "domuuid", "web"])?;
    assert_eq!(uuid.trim_end().len(), 36);
    assert_eq!(said(&["domain", "domname", uuid.trim_end()])?, "web\n");
    assert_eq!(said(&["domain", "domid", "web"])?, "-\n");
    daemon.reeve(&["domain", "domcontrol", "web"])?.fails(6);

    assert_eq!(said(&["domain", "desc", "web"])?, "Domain 'web' has no description\n");
    assert_eq!(
        said(&["domain", "desc", "web", "--config", "--title", "The", "shop"])?,
        "Domain 'web' has a new title\n"
    );
    assert_eq!(said(&["domain", "desc", "web", "--title"])?, "The shop\n");
    let list = said(&["domain", "list", "--all", "--table", "--title"])?;
    let row = list.lines().find(|line| line.contains("web")).unwrap_or_default();
    assert!(
        list.contains("Title") && row.split_whitespace().eq(["-", "web", "shut", "off", "The", "shop"]),
        "{list}"
    );
    assert_eq!(said(&["domain", "list", "--all", "--name", "--with-snapshot"])?, "");
    assert_eq!(said(&["domain", "list", "--all", "--name", "--without-snapshot"])?, "web\n");
    daemon.reeve(&["domain", "list", "--title", "--name"])?.fails(2);
    daemon.reeve(&["domain", "desc", "web", "--live", "--new-desc", "x"])?.fails(6);
    daemon.reeve(&["domain", "desc", "web", "--live"])?.fails(6);
    let edit = |script: &str| {
        let environment = [("EDITOR", OsStr::new(script)), ("VISUAL", OsStr::new(""))];
        Run::reeve(daemon.root(), &["domain", "desc", "web", "--edit"], "", &environment)
    };
    assert_eq!(edit("true")?.ok(), "The description of domain 'web' is unchanged\n");
    let script = daemon.file("describe", "echo 'Sells things' > $1")?;
    assert_eq!(edit(&format!("sh {script}"))?.ok(), "Domain 'web' has a new description\n");
    assert_eq!(said(&["domain", "desc", "web"])?, "Sells things\n");
    // Somebody else is quicker.
    let script = daemon.file(
        "meanwhile",
        "$REEVE domain desc web 'Sells more' >/dev/null && echo 'Sells things and more' > $1",
    )?;
    let late = edit(&format!("REEVE={} sh {script}", reeve_tests::binary()?.display()))?.fails(6);
    assert!(late.contains("the description of domain 'web' was changed by somebody else"), "{late}");
    std::fs::remove_file(late.split("your text is in '").nth(1).unwrap().split('\'').next().unwrap())?;
    assert_eq!(said(&["domain", "desc", "web"])?, "Sells more\n");

    said(&["domain", "start", "web"])?;
    let id = said(&["domain", "domid", "web"])?;
    assert_eq!(said(&["domain", "domname", id.trim_end()])?, "web\n");
    assert_eq!(said(&["domain", "domcontrol", "web"])?, "ok\n");
    let place = daemon.reeve(&["domain", "ttyconsole", "web"])?.fails(1);
    assert!(place.contains("'reeve domain console web'"), "{place}");
    daemon.reeve(&["domain", "domrename", "web", "shop"])?.fails(6);
    said(&["domain", "destroy", "web"])?;
    assert_eq!(said(&["domain", "domrename", "web", "shop"])?, "Domain 'shop' has its new name\n");
    assert_eq!(said(&["domain", "dominfo", "shop"])?, said(&["domain", "info", uuid.trim_end()])?);
    assert_eq!(said(&["domain", "domstate", "shop"])?, "shut off\n");
    daemon.reeve(&["domain", "domid", "web"])?.fails(3);

    let log = domain("log", "")
        .replace("<console type='pty'/>", "<console type='file'><source path='/tmp/log'/></console>");
    daemon.reeve_with_input(&["domain", "define", "-"], &log)?.ok();
    assert_eq!(said(&["domain", "ttyconsole", "log"])?, "/tmp/log\n");
    Ok(())
}

#[test]
fn a_domain_goes_with_the_volumes_that_are_named() -> Outcome {
    let daemon = Daemon::start()?;
    let images = daemon.root().join("srv");
    std::fs::create_dir(&images)?;
    let at = |name: &str| images.join(name).display().to_string();
    daemon.reeve(&["pool", "create-as", "images", "dir", "--target", &images.display().to_string()])?.ok();
    let files = ["a.img", "b.img", "disc.iso"];
    for name in files {
        daemon.reeve(&["vol", "create-as", "images", name, "1M"])?.ok();
    }
    std::fs::write(daemon.root().join("stray.img"), "stray")?;
    let stray = daemon.root().join("stray.img").display().to_string();
    let disk = |path: &str, target: &str, more: &str| {
        format!("<disk type='file'><source file='{path}'/><target dev='{target}' bus='virtio'/>{more}</disk>")
    };
    let disks = disk(&at("a.img"), "vda", "")
        + &disk(&at("b.img"), "vdb", "")
        + &disk(&at("disc.iso"), "vdc", "<readonly/>")
        + &disk(&stray, "vdd", "");
    let document = domain("web", "").replace("</devices>", &(disks + "</devices>"));
    let define = || daemon.reeve_with_input(&["domain", "define", "-"], &document).map(Run::ok);
    let there = || files.map(|name| images.join(name).exists());

    define()?;
    daemon.reeve(&["domain", "undefine", "web", "--wipe-storage"])?.fails(2);
    daemon.reeve(&["domain", "undefine", "web", "--storage", "vda,vdz"])?.fails(3);
    daemon.reeve(&["domain", "undefine", "web", "--storage", "vdd"])?.fails(3);
    daemon.reeve(&["domain", "start", "web"])?.ok();
    daemon.reeve(&["domain", "undefine", "web", "--remove-all-storage"])?.fails(6);
    daemon.reeve(&["domain", "destroy", "web"])?.ok();
    assert_eq!(
        (there(), daemon.reeve(&["domain", "list", "--all", "--name"])?.ok()),
        ([true; 3], "web\n".into())
    );

    let said =
        daemon.reeve(&["domain", "undefine", "web", "--storage", &at("a.img"), "--wipe-storage"])?.ok();
    assert!(said.contains("undefined") && said.contains("Volume 'vda'"), "{said}");
    assert_eq!(there(), [false, true, true]);
    define()?;
    let run = daemon.reeve(&["domain", "undefine", "web", "--remove-all-storage"])?;
    assert!(run.stderr.contains("'vdc'") && run.stderr.contains("'vdd'"), "{run:?}");
    run.ok();
    assert_eq!((there(), Path::new(&stray).exists()), ([false, false, true], true));
    // A volume that two disks are on is one.
    let disks = disk(&at("disc.iso"), "vda", "") + &disk(&at("disc.iso"), "vdb", "");
    let document = domain("web", "").replace("</devices>", &(disks + "</devices>"));
    daemon.reeve_with_input(&["domain", "define", "-"], &document)?.ok();
    let said = daemon.reeve(&["domain", "undefine", "web", "--storage", "vda,vdb"])?.ok();
    assert!(said.contains("Volume 'vda, vdb'"), "{said}");
    assert_eq!(there(), [false; 3]);
    Ok(())
}

#[test]
fn verbs_of_virsh_are_answered() -> Outcome {
    let nowhere = Path::new("/does/not/exist");
    let said = Run::reeve(nowhere, &["domain", "net-list"], "", &[])?.fails(2);
    assert!(said.contains("hint: here it is 'reeve network list'"), "{said}");
    let said = Run::reeve(nowhere, &["domain", "vncdisplay", "web"], "", &[])?.fails(1);
    assert!(said.contains("machines have no screen"), "{said}");
    Ok(())
}

#[test]
fn a_restarted_daemon_knows_what_it_knew() -> Outcome {
    let mut daemon = Daemon::start()?;
    for name in ["on", "off"] {
        define(&daemon, name)?;
    }
    daemon.reeve(&["domain", "start", "on"])?.ok();
    daemon.reeve(&["domain", "autostart", "off"])?.ok();
    let before = daemon.reeve(&["domain", "xml", "on"])?.ok();
    daemon.kill()?;
    daemon.reeve(&["domain", "list"])?.fails(5);
    daemon.launch()?;
    assert_eq!(state(&daemon, "on")?, "running (adopted)");
    assert_eq!(daemon.reeve(&["domain", "xml", "on"])?.ok(), before);
    wait::until("autostart has started 'off'", Duration::from_secs(10), || {
        state(&daemon, "off").is_ok_and(|state| state == "running (booted)")
    })?;
    assert!(daemon.stop()?.success());
    let run = daemon.root().join("run/reeve");
    assert!(!run.join("reeve.sock").exists() && !run.join("reeve.pid").exists());
    daemon.launch()?;
    assert_eq!(daemon.reeve(&["domain", "list", "--name"])?.ok(), "on\noff\n");
    Ok(())
}

#[test]
fn a_root_has_one_daemon() -> Outcome {
    let daemon = Daemon::start()?;
    let second = Run::reeve(daemon.root(), &["daemon"], "", &[])?.fails(1);
    assert!(second.contains(&format!("another daemon (pid {}) already serves", daemon.pid())), "{second}");
    daemon.reeve(&["domain", "list"])?.ok();
    let pid = std::fs::read_to_string(daemon.root().join("run/reeve/reeve.pid"))?;
    assert_eq!(pid.trim(), daemon.pid().to_string());
    Ok(())
}

#[test]
fn the_configuration_is_checked_and_read_again() -> Outcome {
    let root = tempfile::tempdir()?;
    std::fs::create_dir_all(root.path().join("etc/reeve"))?;
    std::fs::write(root.path().join("etc/reeve/reeve.toml"), "[access]\ngruop = 'x'\n")?;
    let said = Run::reeve(root.path(), &["daemon"], "", &[])?.fails(1);
    assert!(said.contains("did you mean 'access.group'?"), "{said}");
    std::fs::write(root.path().join("etc/reeve/reeve.toml"), "log = 'debug'\n")?;
    let printed = Run::reeve(root.path(), &["daemon", "--print-config"], "", &[])?.ok();
    assert!(printed.contains("\nlog = \"debug\"\n") && printed.contains("\n[workers]\n"), "{printed}");

    let daemon = Daemon::start_with(Options { config: "log = 'warn'".into(), ..Options::default() })?;
    daemon.file("etc/reeve/reeve.toml", "log = 'info'\n")?;
    daemon.signal(Signal::HUP)?;
    wait::until("the daemon has reloaded", Duration::from_secs(10), || {
        daemon.log().contains("the configuration was read again")
    })?;
    daemon.file("etc/reeve/reeve.toml", "lgo = 'info'\n")?;
    daemon.signal(Signal::HUP)?;
    wait::until("the mistake is logged", Duration::from_secs(10), || {
        daemon.log().contains("did you mean 'log'?")
    })?;
    daemon.reeve(&["domain", "list"])?.ok();
    Ok(())
}

#[test]
fn policies_that_are_none_are_refused() -> Outcome {
    let daemon = Daemon::start()?;
    assert_eq!(daemon.reeve(&["policy", "list", "-o", "json"])?.ok(), "[]\n");
    let file = daemon.file("not.wasm", "not a component")?;
    daemon.reeve(&["policy", "load", &file])?.fails(7);
    let said = daemon.reeve(&["policy", "show", "nobody"])?.fails(3);
    assert!(said.contains("'nobody'"), "{said}");
    daemon.reeve(&["policy", "load", &file, "--config", "{oops"])?.fails(7);
    daemon.reeve(&["policy", "mode", "nobody", "sometimes"])?.fails(2);
    Ok(())
}

#[test]
fn without_a_daemon_there_is_a_hint_and_documents_are_still_checked() -> Outcome {
    let nowhere = Path::new("/does/not/exist");
    let said = Run::reeve(nowhere, &["domain", "list"], "", &[])?.fails(5);
    assert!(
        said.contains("cannot reach the daemon") && said.contains("hint: start it with 'reeve daemon'"),
        "{said}"
    );
    let good = Run::reeve(nowhere, &["xml", "check", "-"], &domain("web", ""), &[])?;
    assert!(good.stdout.contains("<name>web</name>") && good.code == 0, "{good:?}");
    let bad = Run::reeve(nowhere, &["xml", "check", "-"], "<domain>\n<name>", &[])?.fails(7);
    assert!(bad.contains("line 2, column"), "{bad}");
    let kind = Run::reeve(nowhere, &["xml", "check", "--kind", "network", "-"], &domain("web", ""), &[])?;
    kind.fails(7);
    Run::reeve(nowhere, &["xml", "check", "--kind", "netwrok", "-"], "", &[])?.fails(2);
    assert!(Run::reeve(nowhere, &["completions", "bash"], "", &[])?.ok().contains("attach-device"));
    Run::reeve(nowhere, &["domain", "lits"], "", &[])?.fails(2);
    Ok(())
}
