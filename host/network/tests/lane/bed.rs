//! A host in a namespace of its own, and a look at what was left of it.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reeve_model::network::{Forward, ForwardMode, Lease, NetworkConfig};
use reeve_network::{Host, NetworkSink, Networks, default_network};
use reeve_sys::link::{Change, KernelLinks, LinkName, Links, NewLink};
use reeve_sys::namespace::NetworkNamespace;
use reeve_sys::process::Run;
use uuid::Uuid;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a sink heard, as texts.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<String>>);

impl NetworkSink for Heard {
    fn service_restarted(&self, _network: Uuid, reason: &str) {
        self.0.lock().unwrap().push(format!("restarted: {reason}"));
    }

    fn lease_acquired(&self, _network: Uuid, lease: &Lease) {
        self.0.lock().unwrap().push(format!("acquired {}", lease.ip));
    }

    fn lease_expired(&self, _network: Uuid, lease: &Lease) {
        self.0.lock().unwrap().push(format!("expired {}", lease.ip));
    }
}

impl Heard {
    /// Waits until something was heard that begins so.
    pub(crate) fn wait_for(&self, beginning: &str) -> String {
        let heard = || self.0.lock().unwrap().iter().find(|line| line.starts_with(beginning)).cloned();
        wait(&format!("'{beginning}' was not heard"), heard)
    }
}

/// Waits until there is something.
pub(crate) fn wait<T>(complaint: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{complaint}");
        pause(Duration::from_millis(10));
    }
}

/// Lets time pass, where there is nothing that could be waited for.
pub(crate) fn pause(time: Duration) {
    let time =
        rustix::event::Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
    let _ = rustix::event::poll(&mut [], Some(&time));
}

/// A host.
pub(crate) struct Bed {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) host: Host,
    pub(crate) networks: Networks,
    pub(crate) heard: Arc<Heard>,
    pub(crate) links: KernelLinks,
}

impl Bed {
    /// A daemon that starts anew on the same host, as after its end.
    pub(crate) fn another(&self) -> Networks {
        Networks::new(self.host.clone(), self.heard.clone())
    }
}

/// Does something on a host in a new namespace, and asserts that it left nothing: no links, no rules, no processes, no settings.
pub(crate) fn isolated(test: impl FnOnce(&Bed) + Send) {
    let namespace = NetworkNamespace::new().unwrap();
    namespace
        .run(|| {
            let directory = tempfile::tempdir().unwrap();
            // dnsmasq reads there as somebody else.
            std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
            let host = Host::kernel(directory.path().join("run"), directory.path().join("lib"));
            let heard = Arc::new(Heard::default());
            let networks = Networks::new(host.clone(), heard.clone());
            let bed = Bed { directory, host, networks, heard, links: KernelLinks };
            test(&bed);
            let left: Vec<String> = all().into_iter().filter(|name| !name.starts_with("up")).collect();
            assert!(left.is_empty(), "links are left: {left:?}");
            let tables = output("/usr/sbin/nft", "list tables");
            assert_eq!(tables, "", "rules are left");
            let processes = processes(bed.directory.path());
            assert!(processes.is_empty(), "processes are left: {processes:?}");
            let run = bed.directory.path().join("run/network");
            let files: Vec<_> =
                std::fs::read_dir(run).into_iter().flatten().flatten().map(|one| one.path()).collect();
            assert!(files.is_empty(), "files are left: {files:?}");
        })
        .unwrap();
}

/// Command lines in which a path occurs.
pub(crate) fn processes(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let texts = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    texts.filter(|text| text.contains(path.to_str().unwrap())).collect()
}

/// The default network, without the spanning tree's pause, changed as the test wants it.
pub(crate) fn network(change: impl FnOnce(&mut NetworkConfig)) -> NetworkConfig {
    let mut config = default_network();
    config.bridge.stp = Some(false);
    config.mac = Some("52:54:00:ab:cd:01".parse().unwrap());
    change(&mut config);
    config.check().unwrap();
    config
}

/// Another network: name, bridge, the third number of its addresses, mode.
pub(crate) fn other(name: &str, bridge: &str, third: u8, mode: Option<ForwardMode>) -> NetworkConfig {
    network(|config| {
        config.name = name.to_owned();
        config.bridge.name = Some(bridge.to_owned());
        config.mac = Some(format!("52:54:00:ab:cd:{third:02x}").parse().unwrap());
        let forward = config.forward.take().unwrap();
        config.forward = mode.map(|mode| Forward { mode, ..forward });
        let ip = |last: u8| std::net::IpAddr::from([192, 168, third, last]);
        config.ips[0].network.address = ip(1);
        let range = &mut config.ips[0].dhcp.as_mut().unwrap().ranges[0].addresses;
        (range.start, range.end) = (ip(2), ip(254));
    })
}

pub(crate) fn name(text: &str) -> LinkName {
    LinkName::new(text).unwrap()
}

/// A cable whose other end is `eth0` in a new namespace, which is given an address and a default route if there are any.
pub(crate) fn cable(links: &KernelLinks, near: &str, address: Option<(&str, &str)>) -> NetworkNamespace {
    let far = name(&format!("f-{near}"));
    links.create(&name(near), &NewLink::Veth { peer: far.clone() }).unwrap();
    links.change(&name(near), &Change::Up).unwrap();
    let namespace = NetworkNamespace::new().unwrap();
    links.move_to(&far, namespace.fd()).unwrap();
    namespace
        .run(|| {
            let links = KernelLinks;
            links.change(&far, &Change::Name(name("eth0"))).unwrap();
            links.change(&name("eth0"), &Change::Up).unwrap();
            if let Some((address, gateway)) = address {
                output("/usr/sbin/ip", &format!("addr add {address} dev eth0"));
                if !gateway.is_empty() {
                    output("/usr/sbin/ip", &format!("route add default via {gateway}"));
                }
            }
        })
        .unwrap();
    namespace
}

/// A guest on a bridge.
pub(crate) fn guest(
    links: &KernelLinks,
    near: &str,
    bridge: &str,
    address: Option<(&str, &str)>,
) -> NetworkNamespace {
    let namespace = cable(links, near, address);
    links.change(&name(near), &Change::Master(Some(name(bridge)))).unwrap();
    namespace
}

/// What a program prints, which must succeed.
pub(crate) fn output(program: &str, args: &str) -> String {
    let args = args.split_whitespace().map(OsStr::new).collect();
    let run = Run { path: Path::new(program), args, input: &[], deadline: PATIENCE, output_limit: 1 << 20 };
    let finished = run.finish().unwrap();
    assert!(finished.succeeded(), "{program}: {}", finished.first_line());
    String::from_utf8(finished.stdout).unwrap()
}

/// Names of all links.
pub(crate) fn all() -> Vec<String> {
    let entries = std::fs::read_dir("/sys/class/net").unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    // Every namespace of this kernel may be born with these.
    names.retain(|name| {
        !["lo", "tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0"].contains(&name.as_str())
    });
    names
}
