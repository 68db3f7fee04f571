//! The whole contract: every function and every hook is in a built policy, and what the host says through it is true.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use reeve_model::policy::Hook;
use reeve_package::component::{Shape, shape};
use reeve_package::contract::hook_interface;
use reeve_tests::{Daemon, Guest, Namespace, Options, WITNESS_GRANTS, test_policy, wait};
use serde_json::Value;
use wit_parser::{Resolve, UnresolvedPackageGroup};

use crate::{Outcome, PATIENCE, Sim, destroy, load, node, start, state, xml};

/// A function of an interface, `reeve:kv/store` and `get`.
type Function = (String, String);

/// Every function of the contract.
fn contract() -> anyhow::Result<BTreeSet<Function>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let mut folders: Vec<_> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    folders.retain(|path| path.is_dir());
    let mut groups =
        folders.iter().map(UnresolvedPackageGroup::parse_dir).collect::<anyhow::Result<Vec<_>>>()?;
    let mut resolve = Resolve::default();
    resolve.push_groups(groups.pop().context("wit/ is empty")?, groups)?;
    let mut functions = BTreeSet::new();
    for package in resolve.packages.iter().map(|(_, package)| package) {
        for (name, id) in &package.interfaces {
            let interface = format!("{}:{}/{name}", package.name.namespace, package.name.name);
            let own = resolve.interfaces[*id].functions.keys();
            functions.extend(own.map(|function| (interface.clone(), function.clone())));
        }
    }
    Ok(functions)
}

/// Every policy that `cargo xtask policies` built: those that ship and those of tests.
fn built() -> anyhow::Result<Vec<Shape>> {
    let tests = test_policy("witness")?;
    let tests = tests.parent().context("a component is in a folder")?;
    let folders = [tests.to_owned(), tests.with_file_name("policies")];
    let mut shapes = Vec::new();
    for entry in folders.iter().map(std::fs::read_dir).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        let path: PathBuf = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            shapes.push(shape(&std::fs::read(&path)?).with_context(|| path.display().to_string())?);
        }
    }
    Ok(shapes)
}

/// Functions that no component calls, and that are of no hook it answers.
fn unused(contract: &BTreeSet<Function>, shapes: &[Shape]) -> Vec<Function> {
    let is_used = |(interface, function): &&Function| {
        shapes.iter().any(|shape| {
            shape.exports.contains(interface)
                || shape
                    .imports
                    .iter()
                    .any(|import| import.interface == *interface && import.functions.contains(function))
        })
    };
    contract.iter().filter(|function| !is_used(function)).cloned().collect()
}

#[test]
fn every_function_and_every_hook_is_in_a_policy() -> Outcome {
    let (contract, shapes) = (contract()?, built()?);
    let unused = unused(&contract, &shapes);
    assert!(
        unused.is_empty(),
        "no policy of tests/policies or scripts uses {unused:?}: have 'witness' do it"
    );
    let answered = |hook: &Hook| shapes.iter().any(|shape| shape.exports.contains(&hook_interface(*hook)));
    let unanswered: Vec<Hook> = Hook::ALL.into_iter().filter(|hook| !answered(hook)).collect();
    assert!(unanswered.is_empty(), "no policy of tests/policies or scripts answers {unanswered:?}");
    Ok(())
}

#[test]
fn what_no_policy_uses_is_found() -> Outcome {
    let contract = contract()?;
    assert!(contract.len() > 40, "{contract:?}");
    assert_eq!(unused(&contract, &[]).len(), contract.len());
    let mut one = Shape::default();
    one.exports.push("reeve:hooks/domain-stop".to_owned());
    let left = unused(&contract, &[one]);
    assert_eq!(left.len(), contract.len() - 1);
    assert!(left.contains(&("reeve:domain/config".to_owned(), "[method]domain-config.name".to_owned())));
    Ok(())
}

const DEVICES: &str = "<interface type='bridge'><source bridge='br0'/></interface>\
    <memballoon model='virtio'/><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>";
const DISK: &str =
    "<disk type='file' device='disk'><source file='/none.img'/><target dev='vdb' bus='virtio'/></disk>";

const NETWORK: &str = "<network><name>lab</name><bridge name='labbr'/>\
                       <ip address='192.168.77.1' netmask='255.255.255.0'/></network>";
const FILTERED: &str = "<interface type='network'><mac address='52:54:00:00:00:07'/><source network='lab'/>\
                        <model type='virtio'/><filterref filter='clean-traffic'/></interface>";

/// A running network with a running guest in it.
fn networked(daemon: &Daemon) -> Outcome {
    daemon.reeve_with_input(&["network", "define", "-"], NETWORK)?.ok();
    daemon.reeve(&["network", "start", "lab"])?.ok();
    let guest = Guest::locate()?.document_with("guest", 64, "", FILTERED);
    daemon.reeve_with_input(&["domain", "define", "-"], &guest)?.ok();
    start(daemon, "guest")?.ok();
    Ok(())
}

/// Both hosts are this machine, and would have a guest that moves in the same group.
const NO_GROUPS: &str = "[workers]\ncgroup = ''\n";

/// A guest moves to another host and comes back.
fn traveled(daemon: &Daemon) -> Outcome {
    let elsewhere = Daemon::start_with(Options { config: NO_GROUPS.to_owned(), ..Options::default() })?;
    let traveler = Guest::locate()?.document("traveler", 32);
    daemon.reeve_with_input(&["domain", "define", "-"], &traveler)?.ok();
    start(daemon, "traveler")?.ok();
    daemon.console("traveler", "", "reeve-guest: ready")?;
    for (from, to) in [(daemon, &elsewhere), (&elsewhere, daemon)] {
        let there = format!("reeve+unix://{}", to.root().join("run/reeve/reeve.sock").display());
        from.reeve(&["domain", "migrate", "traveler", &there, "--live"])?.ok();
        assert_eq!(state(to, "traveler")?, "running");
    }
    destroy(daemon, "traveler")?.ok();
    Ok(())
}

/// A daemon with the witness in it.
fn witnessed(config: &str) -> anyhow::Result<Daemon> {
    witnessed_by(Options { config: config.to_owned(), ..Options::default() })
}

fn witnessed_by(options: Options) -> anyhow::Result<Daemon> {
    let daemon = Daemon::start_with(options)?;
    load(&daemon, &test_policy("witness")?, &WITNESS_GRANTS, "{}", &[])?.ok();
    Ok(daemon)
}

/// What the witness answers.
fn ask(daemon: &Daemon, question: &[&str]) -> anyhow::Result<String> {
    let said = daemon.reeve(&[&["policy", "task", "run", "witness"], question].concat())?.ok();
    Ok(said.trim_end().to_owned())
}

/// The hooks that the witness has written down.
fn heard(daemon: &Daemon) -> anyhow::Result<BTreeSet<String>> {
    let lines = daemon.reeve(&["policy", "logs", "witness", "-o", "json"])?.ok();
    let lines: Vec<Value> = serde_json::from_str(&lines)?;
    let hook = |line: &Value| Some(line["message"].as_str()?.split_once(": ")?.0.to_owned());
    Ok(lines.iter().filter_map(hook).collect())
}

#[test]
fn every_hook_is_heard() -> Outcome {
    let namespace = Namespace::new()?;
    let config = format!("[policies]\ntune-interval = 1\n{NO_GROUPS}");
    let daemon = witnessed_by(Options { config, through: namespace.through(), ..Options::default() })?;
    networked(&daemon)?;
    destroy(&daemon, "guest")?.ok();
    daemon.reeve(&["network", "destroy", "lab"])?.ok();
    traveled(&daemon)?;
    Sim { devices: DEVICES, ..Sim::named("web") }.define(&daemon)?.ok();
    assert!(xml(&daemon, "web")?.contains("52:54:00:00:00:00"), "the address is the witness's");
    start(&daemon, "web")?.ok();
    daemon.reeve_with_input(&["domain", "attach-device", "web", "-"], DISK)?.ok();
    daemon.reeve_with_input(&["domain", "detach-device", "web", "-"], DISK)?.ok();
    destroy(&daemon, "web")?.ok();
    for volume in [
        &["pool", "refresh", "default"][..],
        &["vol", "create-as", "default", "disk", "1MiB", "--allocation", "0"],
        &["vol", "resize", "--pool", "default", "disk", "2MiB"],
        &["vol", "clone", "--pool", "default", "disk"],
        &["vol", "delete", "--pool", "default", "disk"],
    ] {
        daemon.reeve(volume)?.ok();
    }
    daemon.reeve(&["pool", "destroy", "default"])?.ok();
    daemon.reeve(&["pool", "start", "default"])?.ok();
    daemon.signal(rustix::process::Signal::HUP)?;
    ask(&daemon, &["time"])?;
    let shown = daemon.reeve(&["policy", "show", "witness", "-o", "json"])?.ok();
    let answered: BTreeSet<String> =
        serde_json::from_value(serde_json::from_str::<Value>(&shown)?["hooks"].take())?;
    assert!(answered.len() >= 25, "{answered:?}");
    let mut missing = answered.clone();
    wait::until("every hook has been heard", PATIENCE, || {
        missing = heard(&daemon).map_or(missing.clone(), |heard| &answered - &heard);
        missing.is_empty()
    })
    .with_context(|| format!("{missing:?} were not"))
}

#[test]
fn the_host_says_what_is_true_of_domains() -> Outcome {
    let daemon = witnessed("")?;
    Sim { devices: DEVICES, vcpus: 3, ..Sim::named("web") }.define(&daemon)?.ok();
    Sim::named("db").define(&daemon)?.ok();
    start(&daemon, "db")?.ok();
    let uuid = daemon.reeve(&["domain", "list", "--inactive", "--uuid"])?.ok();
    let config = ask(&daemon, &["config", "web"])?;
    let metadata = config.split_once("metadata=").map(|(_, rest)| rest).unwrap_or_default();
    assert!(metadata.contains("urn:reeve:test") && metadata.ends_with("xml=true"), "{config}");
    let expected = format!(
        "name=web uuid={} state=State::ShutOff title=None type=sim memory=67108864/67108864 vcpus=3/3 mergeable=true kernel=None \
         cmdline=None disks=[] macs=[\"52:54:00:00:00:00\"] balloon=Some(\"virtio\") rngs=1 metadata=",
        uuid.trim()
    );
    assert!(config.starts_with(&expected), "{config}\n{expected}");
    let domains = ask(&daemon, &["domains", "db"])?;
    assert_eq!(domains, "all=[\"db\", \"web\"] active=1 vcpus=1 memory=67108864 others=0");

    for (verb, after) in [
        ("start", "running"),
        ("suspend", "paused"),
        ("resume", "running"),
        ("set-memory", "running"),
        ("destroy", "shut off"),
    ] {
        assert_eq!(ask(&daemon, &["change", verb, "web"])?, "done");
        assert_eq!(state(&daemon, "web")?, after, "after {verb}");
        if verb == "set-memory" {
            wait::until("the balloon is inflated", PATIENCE, || {
                let info = daemon.reeve(&["domain", "info", "web"]);
                info.is_ok_and(|info| info.stdout.contains("Used memory:    49152 KiB"))
            })?;
        }
    }
    assert_eq!(ask(&daemon, &["change", "shutdown", "db"])?, "done");
    wait::until("the guest has shut down", PATIENCE, || {
        state(&daemon, "db").is_ok_and(|state| state == "shut off")
    })
}

#[test]
fn the_host_says_what_is_true_of_networks() -> Outcome {
    let namespace = Namespace::new()?;
    let daemon = witnessed_by(Options { through: namespace.through(), ..Options::default() })?;
    networked(&daemon)?;
    let uuid = daemon.reeve(&["network", "uuid", "lab"])?.ok();
    let said = ask(&daemon, &["networks", "lab"])?;
    destroy(&daemon, "guest")?.ok();
    daemon.reeve(&["network", "destroy", "lab"])?.ok();
    let expected = format!(
        "all=[\"default\", \"lab\"] uuid={} mode=Mode::Isolated active=true bridge=Some(\"labbr\") \
         addresses=[\"192.168.77.1/24\"] connections=1 ports=[\"52:54:00:00:00:07\"] leases=0 dropped=Some(",
        uuid.trim()
    );
    assert!(said.starts_with(&expected), "{said}\n{expected}");
    Ok(())
}

#[test]
fn the_host_says_what_is_true_of_storage_and_does_what_it_is_told() -> Outcome {
    let daemon = witnessed("")?;
    wait::until("the default pool runs", PATIENCE, || {
        daemon.reeve(&["pool", "refresh", "default"]).is_ok_and(|run| run.code == 0)
    })?;
    assert_eq!(
        ask(&daemon, &["storage", "default"])?,
        "all=[\"default\"] kind=dir active=true capacity=true made=default/made raw complete=true copied=1048576 \
         read=[0, 0, 119, 114, 105, 116, 116, 101, 110] end=3 resized=2097152 smaller=Some(Code::Invalid) \
         too-much=Some(Code::Invalid) left=[\"copied\"] dated=true"
    );
    let info = daemon.reeve(&["vol", "info", "--pool", "default", "copied", "-o", "json"])?.ok();
    assert_eq!(serde_json::from_str::<Value>(&info)?["capacity"], 2_097_152, "{info}");
    Ok(())
}

#[test]
fn the_host_says_what_is_true_of_itself() -> Outcome {
    let daemon = witnessed("")?;
    let info = node(&daemon)?;
    let said = ask(&daemon, &["node"])?;
    let value = |name: &str| {
        let value = said.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().to_owned()
    };
    assert_eq!(value("hostname"), info["hostname"].as_str().unwrap_or_default(), "{info}");
    assert_eq!(value("cpus"), info["cpus"].to_string(), "{info}");
    assert_eq!(value("memory"), info["memory"].to_string(), "{info}");
    let total = std::fs::read_to_string("/proc/meminfo")?;
    let total: u64 = total.split_whitespace().nth(1).context("MemTotal comes first")?.parse()?;
    assert_eq!(value("total"), (total << 10).to_string());
    assert!(value("pages-to-scan").parse::<u64>().is_ok(), "{said}");

    let said = ask(&daemon, &["kv"])?;
    assert_eq!(said, "value=Some([49]) keys=[\"first\", \"second\"] deleted=(true, false) left=[\"second\"]");

    let said = ask(&daemon, &["time"])?;
    let (now, paused) = said.split_once(" paused=").context("two figures")?;
    let now: u128 = now.trim_start_matches("now=").parse()?;
    let ours = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis();
    assert!(now.abs_diff(ours) < 60_000, "{now} is about {ours}");
    assert!(paused.parse::<u64>()? >= 30_000_000, "nanoseconds of 30 ms: {paused}");
    Ok(())
}
