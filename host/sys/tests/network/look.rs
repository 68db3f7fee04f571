//! Looking at the kernel by other means than the crate's.

use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

use reeve_sys::link::{KernelLinks, LinkName, Links, Mac, NewLink, OperState};
use reeve_sys::namespace::NetworkNamespace;
use reeve_sys::process::Run;
use serde_json::Value;

/// Does something in a new namespace and asserts that it left no links behind.
pub(crate) fn isolated(test: impl FnOnce(&KernelLinks) + Send) {
    let namespace = NetworkNamespace::new().unwrap();
    namespace.run(|| test(&KernelLinks)).unwrap();
}

pub(crate) fn name(text: &str) -> LinkName {
    LinkName::new(text).unwrap()
}

pub(crate) fn mac(text: &str) -> Mac {
    text.parse().unwrap()
}

/// Two ends of a cable, both up.
pub(crate) fn cable(links: &KernelLinks, one: &str, other: &str) {
    links.create(&name(one), &NewLink::Veth { peer: name(other) }).unwrap();
    for end in [one, other] {
        links.change(&name(end), &reeve_sys::link::Change::Up).unwrap();
    }
    for end in [one, other] {
        wait_until_running(links, end);
    }
}

/// A link that was just set up drops what is sent until the kernel has noticed its carrier.
fn wait_until_running(links: &KernelLinks, link: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while links.find(&name(link)).unwrap().unwrap().state != OperState::Up {
        assert!(Instant::now() < deadline, "link '{link}' does not run");
        std::thread::yield_now();
    }
}

/// What a program prints, which must succeed.
pub(crate) fn output(program: &str, args: &str) -> String {
    let args = args.split_whitespace().map(OsStr::new).collect();
    let deadline = Duration::from_secs(20);
    let run = Run { path: Path::new(program), args, input: &[], deadline, output_limit: 1 << 20 };
    let finished = run.finish().unwrap();
    assert!(finished.succeeded(), "{program}: {}", finished.first_line());
    String::from_utf8(finished.stdout).unwrap()
}

/// What `ip` says, as JSON.
pub(crate) fn ip(args: &str) -> Value {
    let text = output("/usr/sbin/ip", &format!("-j -d {args}"));
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// What `ip link show` says of one link.
pub(crate) fn shown(link: &str) -> Value {
    ip(&format!("link show dev {link}"))[0].take()
}

/// A file of the link in /sys.
pub(crate) fn sysfs(link: &str, file: &str) -> String {
    let path = format!("/sys/class/net/{link}/{file}");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")).trim().to_owned()
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
