//! Interfaces of running guests are changed: the cable, limits, another network.

use std::time::Duration;

use reeve_model::api::ConsoleOptions;
use reeve_packets::{Arp, BROADCAST, Frame};
use reeve_tests::{Guest, Run, WITNESS_GRANTS, policy, test_policy, wait};
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::lab::{Lab, document};
use crate::station::hex;
use crate::{Outcome, PATIENCE};

const MAC: &str = "52:54:00:00:00:07";

/// An interface that hangs on something, with more in it.
fn interface(kind: &str, source: &str, more: &str) -> String {
    format!(
        "<interface type='{kind}'><mac address='{MAC}'/><source {kind}='{source}'/><model type='virtio'/>{more}</interface>"
    )
}

/// A lab with two networks, `lab` on `labbr` and `other` on `otherbr`, and a guest that is started.
fn lab(interface: &str) -> anyhow::Result<Lab> {
    let lab = Lab::with(&document("lab", "labbr", 77))?;
    lab.define(&document("other", "otherbr", 78))?.ok();
    lab.reeve(&["network", "start", "lab"])?.ok();
    lab.reeve(&["network", "start", "other"])?.ok();
    let serial = "<serial type='pty'><target port='0'/></serial>";
    let guest = Guest::locate()?.document_with("web", 64, "", &format!("{serial}{interface}"));
    lab.daemon.reeve_with_input(&["domain", "define", "-"], &guest)?.ok();
    Ok(lab)
}

impl Lab {
    fn update(&self, interface: &str, options: &[&str]) -> anyhow::Result<Run> {
        let words = [&["domain", "update-device", "web", "-"], options].concat();
        self.daemon.reeve_with_input(&words, interface)
    }

    /// The link as the kernel has it.
    fn link(&self, name: &str) -> anyhow::Result<Value> {
        let shown: Vec<Value> =
            serde_json::from_str(&self.inside(&["ip", "-j", "link", "show", "dev", name])?)?;
        Ok(shown.into_iter().next().unwrap_or_default())
    }

    fn is_up(&self, name: &str) -> anyhow::Result<bool> {
        let link = self.link(name)?;
        Ok(link["flags"].as_array().is_some_and(|flags| flags.contains(&"UP".into())))
    }

    fn bridge_of(&self, name: &str) -> anyhow::Result<String> {
        Ok(self.link(name)?["master"].as_str().unwrap_or_default().to_owned())
    }

    fn classes(&self, name: &str) -> anyhow::Result<String> {
        self.inside(&["tc", "class", "show", "dev", name])
    }

    fn xml(&self, options: &[&str]) -> anyhow::Result<String> {
        Ok(self.reeve(&[&["domain", "xml", "web"], options].concat())?.ok())
    }

    /// Waits until the guest sees its cable so.
    fn guest_sees(&self, link: &str) -> Outcome {
        self.guest("net 0 link", &format!("ok {link}"))
    }

    /// Tells the guest something until it has answered so.
    fn guest(&self, command: &str, answer: &str) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut console = self.daemon.client().console("web", &ConsoleOptions::default()).await?;
            let mut said = String::new();
            let asked = async {
                let mut buffer = [0; 4096];
                while !said.contains(answer) {
                    console.write_all(format!("{command}\n").as_bytes()).await?;
                    let pause = Duration::from_millis(200);
                    if let Ok(read) = tokio::time::timeout(pause, console.read(&mut buffer)).await {
                        said.push_str(&String::from_utf8_lossy(&buffer[..read?]));
                    }
                }
                anyhow::Ok(())
            };
            match tokio::time::timeout(PATIENCE, asked).await {
                Ok(done) => done,
                Err(_) => anyhow::bail!("the guest did not say '{answer}' but: {said}"),
            }
        })
    }

    /// Waits until a frame of the guest has come to a bridge.
    fn guest_is_heard_on(&self, bridge: &str) -> Outcome {
        let learned = format!("{MAC} dev vnet0 ");
        wait::until("a frame of the guest is on the bridge", PATIENCE, || {
            self.guest("net 0 send 1 100", "ok frames=1").is_ok()
                && self
                    .inside(&["bridge", "fdb", "show", "br", bridge])
                    .is_ok_and(|known| known.contains(&learned))
        })
    }
}

#[test]
fn an_interface_that_is_plugged_twice_stays_plugged() -> Outcome {
    let lab = lab("")?;
    lab.reeve(&["policy", "load", &policy("packet-filter")?.to_string_lossy()])?.ok();
    let witness = test_policy("witness")?;
    let path = witness.to_string_lossy();
    let mut load = vec!["policy", "load", &*path];
    for grant in WITNESS_GRANTS {
        load.extend(["--grant", grant]);
    }
    lab.reeve(&load)?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    let nic = interface("network", "lab", "<target dev='web0'/><filterref filter='no-mac-spoofing'/>");
    let plug = || lab.daemon.reeve_with_input(&["domain", "attach-device", "web", "-", "--live"], &nic);
    let asked = |times: usize| {
        let logs = lab.reeve(&["policy", "logs", "witness"]).map(|run| run.stdout).unwrap_or_default();
        logs.matches("device-attach: web").count() >= times
    };
    let worker = lab.daemon.worker("web")?;
    let (first, second) = std::thread::scope(|scope| -> anyhow::Result<(Run, Run)> {
        // The first waits for the machine, with the turn; the second has been allowed, and waits for the turn.
        kill_process(worker, Signal::STOP)?;
        let first = scope.spawn(plug);
        let met = wait::until("the first is plugged on the host", PATIENCE, || {
            lab.links().is_ok_and(|links| links.iter().any(|link| link == "web0"))
        });
        let second = scope.spawn(plug);
        let met = met.and_then(|()| wait::until("the second is allowed", PATIENCE, || asked(2)));
        kill_process(worker, Signal::CONT)?;
        let runs = [first, second].map(|plug| plug.join().map_err(|_| anyhow::anyhow!("a thread panicked")));
        met?;
        let [first, second] = runs;
        Ok((first??, second??))
    })?;
    first.ok();
    let said = second.fails(6);
    assert!(said.contains("can't be added to domain 'web'") && said.contains(MAC), "{said}");
    assert_eq!(lab.bridge_of("web0")?, "labbr");
    assert!(lab.rules()?.contains(MAC), "it is filtered");
    assert!(lab.xml(&[])?.contains(MAC));
    Ok(())
}

#[test]
fn the_cable_is_pulled_and_plugged_in_again() -> Outcome {
    let mut lab = lab(&interface("network", "lab", ""))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let listed = lab.reeve(&["domain", "domiflist", "web"])?.ok();
    let row: Vec<&str> = listed.lines().last().unwrap_or_default().split_whitespace().collect();
    assert_eq!(row, ["vnet0", "network", "lab", "virtio", MAC]);
    lab.guest_sees("up")?;
    assert_eq!(lab.reeve(&["domain", "domif-getlink", "web", "vnet0"])?.ok(), "vnet0 up\n");

    assert_eq!(lab.reeve(&["domain", "domif-setlink", "web", "vnet0", "down"])?.ok(), "vnet0 down\n");
    assert!(!lab.is_up("vnet0")?);
    lab.guest_sees("down")?;
    assert_eq!(lab.reeve(&["domain", "domif-getlink", "web", "vnet0", "--config"])?.ok(), "vnet0 up\n");
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    assert_eq!(lab.reeve(&["domain", "domif-getlink", "web", MAC])?.ok(), format!("{MAC} down\n"));
    assert!(!lab.is_up("vnet0")?, "a pulled cable outlives a killed daemon");
    lab.reeve(&["domain", "domif-setlink", "web", "vnet0", "up"])?.ok();
    assert!(lab.is_up("vnet0")?);
    lab.guest_sees("up")?;

    lab.reeve(&["domain", "domif-setlink", "web", "vnet0", "down", "--persistent"])?.ok();
    assert!(lab.is_up("vnet0")?, "only the next start was asked for");
    assert!(lab.xml(&["--inactive"])?.contains("<link state='down'/>"));
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    assert_eq!(lab.reeve(&["domain", "domif-getlink", "web", MAC])?.ok(), format!("{MAC} down\n"));
    assert!(!lab.is_up("vnet0")?);
    lab.guest_sees("down")?;
    let said = lab.reeve(&["domain", "domif-setlink", "web", "vnet7", "up"])?.fails(3);
    assert!(
        said.contains("domain 'web' has no interface 'vnet7'") && said.contains("domiflist web"),
        "{said}"
    );
    Ok(())
}

#[test]
fn limits_are_in_the_kernel_and_read_back() -> Outcome {
    let lab = lab(&interface("network", "lab", ""))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let shown = |options: &[&str]| -> anyhow::Result<Value> {
        let words = [&["domain", "domiftune", "web", MAC, "-o", "json"], options].concat();
        Ok(serde_json::from_str(&lab.reeve(&words)?.ok())?)
    };
    assert_eq!(shown(&[])?, serde_json::json!({}));
    let links = lab.links()?;
    lab.reeve(&["domain", "domiftune", "web", "vnet0", "--inbound", "1000,2000,512", "--outbound", "500"])?
        .ok();
    let inbound = lab.classes("vnet0")?;
    assert!(inbound.contains("rate 8192Kbit") && inbound.contains("ceil 16384Kbit"), "{inbound}");
    let all = lab.links()?;
    let own = all.iter().find(|name| !links.contains(name)).map(String::as_str).unwrap_or_default();
    assert!(
        lab.classes(own)?.contains("rate 4096Kbit"),
        "what the guest sends is paced by a link of its own"
    );
    let limits = serde_json::json!({
        "inbound": {"average_kib": 1000, "peak_kib": 2000, "burst_kib": 512}, "outbound": {"average_kib": 500}
    });
    assert_eq!(shown(&[])?, limits);
    assert_eq!(shown(&["--config"])?, serde_json::json!({}));
    let table = lab.reeve(&["domain", "domiftune", "web", "vnet0"])?.ok();
    assert!(
        table.lines().any(|line| line.starts_with("inbound.average:") && line.ends_with(" 1000")),
        "{table}"
    );

    let said = lab.reeve(&["domain", "domiftune", "web", "vnet0", "--inbound", "100,0,0,50"])?.fails(7);
    assert!(
        said.contains(MAC) && said.contains("'web'") && said.contains("a floor needs a network"),
        "{said}"
    );
    assert_eq!((shown(&[])?, lab.classes("vnet0")?), (limits, inbound), "what was refused changed nothing");

    lab.reeve(&[
        "domain",
        "domiftune",
        "web",
        "vnet0",
        "--inbound",
        "0",
        "--outbound",
        "250",
        "--live",
        "--config",
    ])?
    .ok();
    assert_eq!(lab.classes("vnet0")?, "");
    assert!(lab.classes(own)?.contains("rate 2048Kbit"));
    let limits = serde_json::json!({"outbound": {"average_kib": 250}});
    assert_eq!((shown(&[])?, shown(&["--config"])?), (limits.clone(), limits));
    lab.reeve(&["domain", "domiftune", "web", "vnet0", "--inbound", "4000", "--config"])?.ok();
    assert_eq!(lab.classes("vnet0")?, "", "only the next start was asked for");
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    assert!(lab.classes("vnet0")?.contains("rate 32768Kbit"));
    Ok(())
}

#[test]
fn an_interface_moves_with_its_filter_and_its_limits() -> Outcome {
    let filter = "<filterref filter='clean-traffic'/>";
    let lab = lab(&interface("network", "lab", filter))?;
    lab.reeve(&["policy", "load", &policy("packet-filter")?.to_string_lossy()])?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    assert_eq!(lab.bridge_of("vnet0")?, "labbr");
    let limits = "<bandwidth><inbound average='1000'/></bandwidth>";
    let said = lab.update(&interface("network", "other", &format!("{limits}{filter}")), &[])?.ok();
    assert_eq!(said, "Domain 'web' has the changed device now\n");
    assert_eq!(lab.bridge_of("vnet0")?, "otherbr");
    assert!(lab.classes("vnet0")?.contains("rate 8192Kbit"));
    assert_eq!(
        (&lab.info("lab")?["connections"], &lab.info("other")?["connections"]),
        (&0.into(), &1.into())
    );
    assert!(lab.rules()?.contains(MAC), "it is filtered where it is now");
    assert!(lab.xml(&[])?.contains("network='other'") && lab.xml(&["--inactive"])?.contains("network='lab'"));

    // What can't be leaves everything as it was, in the definition too.
    let (rules, live, inactive) = (lab.rules()?, lab.xml(&[])?, lab.xml(&["--inactive"])?);
    let both: &[&str] = &["--live", "--config"];
    let said = lab.update(&interface("network", "nowhere", ""), both)?.fails(6);
    assert!(said.contains("network 'nowhere' is not active"), "{said}");
    let said = lab.update(&interface("network", "lab", "<filterref filter='nobody'/>"), both)?;
    assert!(
        said.code != 0 && said.stderr.contains("'nobody'") && said.stderr.contains("'vnet0'"),
        "{said:?}"
    );
    let said = lab.update(&interface("network", "lab", "").replace("virtio", "e1000"), both)?.fails(1);
    assert!(said.contains("interface 'vnet0' of domain 'web': its <model type>"), "{said}");
    let vlan = "<vlan><tag id='5'/></vlan>";
    let said = lab.update(&interface("network", "lab", vlan), both)?;
    assert!(said.code != 0 && said.stderr.contains("<vlan>") && said.stderr.contains(MAC), "{said:?}");
    assert_eq!(lab.bridge_of("vnet0")?, "otherbr");
    assert!(lab.rules()? == rules, "the rules have changed");
    assert_eq!((lab.xml(&[])?, lab.xml(&["--inactive"])?), (live, inactive));

    // Without a filter it has none, and with one again it has.
    lab.update(&interface("network", "lab", ""), &["--persistent"])?.ok();
    assert_eq!((lab.bridge_of("vnet0")?, lab.classes("vnet0")?), ("labbr".to_owned(), String::new()));
    let rules = lab.rules()?;
    assert!(!rules.contains(MAC) && !rules.contains("vnet0"), "{rules}");
    assert!(!lab.xml(&["--inactive"])?.contains("clean-traffic"));
    lab.update(&interface("network", "lab", filter), &["--live"])?.ok();
    assert!(lab.rules()?.contains(MAC));
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    wait::until("the port is unplugged", PATIENCE, || {
        lab.rules().is_ok_and(|rules| !rules.contains(MAC))
            && lab.links().is_ok_and(|links| !links.contains(&"vnet0".to_owned()))
    })
}

#[test]
fn an_interface_moves_from_bridge_to_bridge() -> Outcome {
    // As the guide has it (10.5).
    let lab = lab(&interface("bridge", "labbr", ""))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    assert_eq!(lab.bridge_of("vnet0")?, "labbr");
    lab.guest_is_heard_on("labbr")?;
    lab.update(&interface("bridge", "otherbr", ""), &[])?.ok();
    assert_eq!(lab.bridge_of("vnet0")?, "otherbr");
    lab.guest_is_heard_on("otherbr")?;
    let said = lab.update(&interface("bridge", "lo", ""), &[])?.fails(6);
    assert!(said.contains(MAC) && said.contains("'lo' is no bridge"), "{said}");
    let direct = interface("direct", "x", "").replace("direct='x'", "dev='labbr' mode='bridge'");
    let said = lab.update(&direct, &[])?.fails(1);
    assert!(said.contains(MAC) && said.contains("not become another kind of device"), "{said}");
    assert_eq!(lab.bridge_of("vnet0")?, "otherbr");
    lab.update(&interface("network", "lab", ""), &[])?.ok();
    assert_eq!(lab.bridge_of("vnet0")?, "labbr");
    // A reboot finds it where it is now.
    lab.reeve(&["domain", "reset", "web"])?.ok();
    assert_eq!(lab.bridge_of("vnet0")?, "labbr");
    Ok(())
}

#[test]
fn a_daemon_that_is_killed_has_moved_it_or_not() -> Outcome {
    let filter = "<filterref filter='clean-traffic'/>";
    let mut lab = lab(&interface("network", "lab", filter))?;
    lab.reeve(&["policy", "load", &policy("packet-filter")?.to_string_lossy()])?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    let file = lab.daemon.file("nic.xml", "")?;
    let mut moved = 0;
    for round in 0..12_u64 {
        let now = lab.bridge_of("vnet0")?;
        let to = if now == "labbr" { "other" } else { "lab" };
        let pulled = if round % 2 == 0 { "<link state='down'/>" } else { "" };
        std::fs::write(&file, interface("network", to, &format!("{pulled}{filter}")))?;
        let root = lab.daemon.root().to_owned();
        let words =
            ["domain", "update-device", "web", file.as_str(), "--live", "--config"].map(str::to_owned);
        let asked = std::thread::spawn(move || {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            // It may find nobody, lose the daemon, or be done.
            drop(Run::reeve(&root, &words, "", &[]));
        });
        #[expect(
            clippy::disallowed_methods,
            reason = "the moment of the kill is what differs from round to round"
        )]
        std::thread::sleep(Duration::from_millis(15 * round));
        lab.daemon.kill()?;
        asked.join().map_err(|_| anyhow::anyhow!("the command line panicked"))?;
        lab.daemon.launch()?;
        let bridge = lab.bridge_of("vnet0")?;
        let (network, elsewhere) = if bridge == "labbr" { ("lab", "other") } else { ("other", "lab") };
        moved += u32::from(bridge != now);
        let (live, inactive) = (lab.xml(&[])?, lab.xml(&["--inactive"])?);
        for xml in [&live, &inactive] {
            assert!(xml.contains(&format!("network='{network}'")), "round {round}, on {bridge}: {xml}");
        }
        let state = lab.reeve(&["domain", "domif-getlink", "web", "vnet0"])?.ok();
        assert_eq!(lab.is_up("vnet0")?, state == "vnet0 up\n", "round {round}: {state}");
        assert_eq!(inactive.contains("state='down'"), state == "vnet0 down\n", "round {round}");
        let connections = |network: &str| -> anyhow::Result<u64> {
            Ok(lab.info(network)?["connections"].as_u64().unwrap_or_default())
        };
        assert_eq!((connections(network)?, connections(elsewhere)?), (1, 0), "round {round}");
        assert!(lab.rules()?.contains(MAC), "round {round}: it is filtered all the time");
        lab.guest_sees(if state == "vnet0 up\n" { "up" } else { "down" })?;
    }
    assert!(moved > 0, "no kill came late enough");
    Ok(())
}

#[test]
fn counters_and_addresses_are_shown() -> Outcome {
    let lab = lab(&interface("network", "lab", ""))?;
    let said = lab.reeve(&["domain", "domifaddr", "web"])?.fails(6);
    assert!(said.contains("domain 'web' is not running"), "{said}");
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.guest("net 0 send 3 100", "ok frames=3")?;
    let stats = lab.reeve(&["domain", "domifstat", "web", MAC])?.ok();
    let counter = |name: &str| -> Option<u64> {
        let line = stats.lines().find(|line| line.split(' ').nth(1) == Some(name));
        line?.split(' ').next_back()?.parse().ok()
    };
    let sent = counter("tx_packets").unwrap_or_default();
    assert!(sent >= 3 && counter("tx_bytes") == Some(sent * 100), "{stats}");
    let names: Vec<&str> = stats.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(
        names,
        ["rx_bytes", "rx_packets", "rx_errs", "rx_drop", "tx_bytes", "tx_packets", "tx_errs", "tx_drop"]
    );
    assert!(stats.lines().all(|line| line.starts_with("vnet0 ")), "{stats}");

    // A client with the guest's address asks the network's server in its place.
    lab.inside(&["ip", "link", "add", "client", "address", MAC, "type", "veth", "peer", "name", "cable"])?;
    lab.inside(&["ip", "link", "set", "cable", "master", "labbr", "up"])?;
    lab.inside(&["ip", "link", "set", "client", "up"])?;
    let ask =
        ["busybox", "udhcpc", "-i", "client", "-n", "-q", "-f", "-t", "20", "-T", "1", "-s", "/bin/true"];
    lab.inside(&ask)?;
    lab.inside(&["ip", "link", "delete", "client"])?;
    let shown = lab.reeve(&["domain", "domifaddr", "web", "vnet0", "--source", "lease"])?.ok();
    let row: Vec<&str> = shown.lines().last().unwrap_or_default().split_whitespace().collect();
    assert!(row.len() == 4 && row[..3] == ["vnet0", MAC, "ipv4"], "{shown}");
    assert!(row[3].starts_with("192.168.77.1") && row[3].ends_with("/24"), "{shown}");
    let said = lab.reeve(&["domain", "domifaddr", "web", "--source", "agent"])?.fails(1);
    assert!(said.contains("'web'") && said.contains("no channel 'org.qemu.guest_agent.0'"), "{said}");

    // Who asks the host for its address has told it his own.
    assert!(!lab.reeve(&["domain", "domifaddr", "web", "--source", "arp"])?.ok().contains("192.168.77.50"));
    let mac = MAC.parse()?;
    let question = Frame::new(BROADCAST, mac).arp(&Arp::request(mac, "192.168.77.50", "192.168.77.1"));
    let raw = format!("net 0 raw {}", hex(&question));
    let mut shown = String::new();
    wait::until("the host has heard of the guest", PATIENCE, || {
        let asked = lab.guest(&raw, "ok bytes=60");
        let list = lab.reeve(&["domain", "domifaddr", "web", "--source", "arp"]).map(|run| run.ok());
        shown = asked.and(list).unwrap_or_default();
        shown.contains("192.168.77.50/32")
    })?;
    assert!(shown.lines().any(|line| line.contains(MAC) && line.contains("ipv4")), "{shown}");
    Ok(())
}

#[test]
fn guards_see_where_an_interface_goes() -> Outcome {
    let lab = lab(&interface("network", "lab", ""))?;
    let witness = test_policy("witness")?;
    let path = witness.to_string_lossy();
    let mut load = vec!["policy", "load", &*path];
    for grant in WITNESS_GRANTS {
        load.extend(["--grant", grant]);
    }
    lab.reeve(&load)?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    let heard = |line: &str| -> anyhow::Result<usize> {
        let logs = lab.reeve(&["policy", "logs", "witness"])?.ok();
        Ok(logs.lines().filter(|text| text.contains(line)).count())
    };
    assert_eq!(heard("port-plug: vnet0")?, 1);
    lab.reeve(&["domain", "domif-setlink", "web", "vnet0", "down"])?.ok();
    lab.reeve(&["domain", "domiftune", "web", "vnet0", "--inbound", "1000"])?.ok();
    assert_eq!(heard("port-plug: vnet0")?, 1, "the contract has no hook for links and limits");
    lab.update(&interface("network", "other", ""), &["--persistent"])?.ok();
    assert_eq!((heard("port-plug: vnet0")?, heard("domain-define: web")?), (2, 1));
    wait::until("both networks were heard of", PATIENCE, || {
        ["network-events: lab Change::PortUnplugged", "network-events: other Change::PortPlugged"]
            .iter()
            .all(|line| heard(line).is_ok_and(|count| count >= 1))
    })
}

#[test]
fn what_a_guard_denies_stays_where_it_is() -> Outcome {
    let lab = lab(&interface("network", "lab", "<bandwidth><inbound average='1000'/></bandwidth>"))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let before = (lab.xml(&[])?, lab.rules()?, lab.classes("vnet0")?);
    let echo = test_policy("echo")?;
    let echo = echo.to_string_lossy();
    let mut load = vec!["policy", "load", &*echo];
    let volumes = ["volume:read", "volume:create", "volume:change", "volume:delete", "volume:download"];
    for grant in ["network:read", "pool:read"].into_iter().chain(volumes) {
        load.extend(["--grant", grant]);
    }
    lab.reeve(&load)?.ok();
    let said = lab.update(&interface("network", "other", ""), &["--persistent"])?.fails(4);
    assert!(said.contains("echo") && said.contains("web"), "{said}");
    assert_eq!(lab.bridge_of("vnet0")?, "labbr");
    assert_eq!((lab.xml(&[])?, lab.rules()?, lab.classes("vnet0")?), before);
    // It would deny too that the network stops while the guest's port is not gone yet.
    lab.reeve(&["policy", "unload", "echo"])?.ok();
    lab.guest_is_heard_on("labbr")
}
