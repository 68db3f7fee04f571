//! The peer: `clean-traffic` as scripts and libvirt put it into force, one execution of `ebtables` for every chain and every rule.
//!
//! It does less than libvirt, which looks for what may be left of an earlier interface before each of them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::maker::Tenant;

/// Protocols with a chain of their own: what the guest sends, what it gets.
const CHAINS: [(char, &str, &str); 5] = [
    ('I', "arp", "arp"),
    ('I', "ipv4", "ipv4"),
    ('I', "rarp", "0x8035"),
    ('O', "arp", "arp"),
    ('O', "rarp", "0x8035"),
];

/// The tool, as Debian's package `iptables` has it.
pub struct Classic {
    program: &'static str,
}

impl Classic {
    /// Finds it; none where it is not installed.
    pub fn find() -> Option<Self> {
        let program = "/usr/sbin/ebtables-nft";
        std::path::Path::new(program).exists().then_some(Self { program })
    }

    /// Puts the filters of many interfaces into force at once, by the tool that restores a saved table: they are there, and not measured.
    #[allow(clippy::disallowed_methods, reason = "the figure is of what comes after")]
    pub fn restore(&self, tenants: impl Iterator<Item = Tenant>) -> Result<()> {
        let (mut chains, mut rules) = (String::new(), String::new());
        for line in tenants.flat_map(|tenant| commands(&tenant)) {
            match line.strip_prefix("-N ").and_then(|chain| chain.split_once(" -P ")) {
                Some((chain, policy)) => chains.push_str(&format!(":{chain} {policy}\n")),
                None => rules.push_str(&format!("{line}\n")),
            }
        }
        let program = format!("{}-restore", self.program);
        let mut restore = Command::new(&program)
            .stdin(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let mut input = restore.stdin.take().context("its standard input is a pipe")?;
        input.write_all(format!("*nat\n{chains}{rules}COMMIT\n").as_bytes())?;
        drop(input);
        let status = restore.wait()?;
        ensure!(status.success(), "'{program}' must succeed: {status}");
        Ok(())
    }

    /// Puts the filter of an interface into force.
    pub fn plug(&self, tenant: &Tenant) -> Result<()> {
        for words in commands(tenant) {
            self.run(&words)?;
        }
        Ok(())
    }

    /// Takes it out of force.
    pub fn unplug(&self, tenant: &Tenant) -> Result<()> {
        let link = &tenant.link;
        self.run(&format!("-D PREROUTING -i {link} -j I-{link}"))?;
        self.run(&format!("-D POSTROUTING -o {link} -j O-{link}"))?;
        for side in ['I', 'O'] {
            self.run(&format!("-F {side}-{link}"))?;
            self.run(&format!("-X {side}-{link}"))?;
        }
        self.run(&format!("-F I-{link}-mac"))?;
        self.run(&format!("-X I-{link}-mac"))?;
        for (side, name, _) in CHAINS {
            self.run(&format!("-F {side}-{link}-{name}"))?;
            self.run(&format!("-X {side}-{link}-{name}"))?;
        }
        Ok(())
    }

    #[allow(clippy::disallowed_methods, reason = "starting a process is what is measured")]
    fn run(&self, words: &str) -> Result<()> {
        let status = Command::new(self.program)
            .args(["-t", "nat"])
            .args(words.split(' '))
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("cannot start {}", self.program))?;
        ensure!(status.success(), "'{} -t nat {words}' must succeed: {status}", self.program);
        Ok(())
    }
}

/// A line each, in the order in which they are run; the jumps from the shared hooks come last.
fn commands(tenant: &Tenant) -> Vec<String> {
    let Tenant { link, mac, ip, .. } = tenant;
    let mut lines = Vec::new();
    for side in ['I', 'O'] {
        lines.push(format!("-N {side}-{link} -P RETURN"));
    }
    lines.push(format!("-N I-{link}-mac -P RETURN"));
    lines.push(format!("-A I-{link} -j I-{link}-mac"));
    for (side, name, protocol) in CHAINS {
        lines.push(format!("-N {side}-{link}-{name} -P RETURN"));
        lines.push(format!("-A {side}-{link} -p {protocol} -j {side}-{link}-{name}"));
    }
    let rules = [
        ("I", "mac", format!("-s ! {mac} -j DROP")),
        (
            "I",
            "ipv4",
            "-p ipv4 --ip-src 0.0.0.0 --ip-proto udp --ip-sport 68 --ip-dport 67 -j RETURN".to_owned(),
        ),
        ("I", "ipv4", format!("-p ipv4 --ip-src {ip} -j RETURN")),
        ("I", "ipv4", "-j DROP".to_owned()),
        ("I", "arp", format!("-s ! {mac} -j DROP")),
        ("I", "arp", format!("-p arp --arp-mac-src ! {mac} -j DROP")),
        ("I", "arp", format!("-p arp --arp-opcode Request --arp-ip-src {ip} -j ACCEPT")),
        ("I", "arp", format!("-p arp --arp-opcode Reply --arp-ip-src {ip} -j ACCEPT")),
        ("I", "arp", "-j DROP".to_owned()),
        ("I", "rarp", "-p 0x8035 -d Broadcast --arp-opcode Request_Reverse -j ACCEPT".to_owned()),
        ("I", "rarp", "-j DROP".to_owned()),
        ("O", "arp", format!("-p arp --arp-opcode Reply --arp-mac-dst ! {mac} -j DROP")),
        ("O", "arp", format!("-p arp --arp-opcode Request --arp-ip-dst {ip} -j ACCEPT")),
        ("O", "arp", format!("-p arp --arp-opcode Reply --arp-ip-dst {ip} -j ACCEPT")),
        ("O", "arp", "-j DROP".to_owned()),
        ("O", "rarp", "-j DROP".to_owned()),
    ];
    lines.extend(rules.map(|(side, chain, rule)| format!("-A {side}-{link}-{chain} {rule}")));
    for side in ['I', 'O'] {
        lines.push(format!("-A {side}-{link} -p ipv4 -j ACCEPT"));
        lines.push(format!("-A {side}-{link} -j DROP"));
    }
    lines.push(format!("-A PREROUTING -i {link} -j I-{link}"));
    lines.push(format!("-A POSTROUTING -o {link} -j O-{link}"));
    lines
}
