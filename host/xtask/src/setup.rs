//! `cargo xtask setup`: the Debian packages that the other tasks need. Looks for what a package is needed for, not for
//! the package, so that other distributions and hand-made installations work.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use reeve_package::build::rust::Source;

use crate::project::{output, shown, succeed};

/// How much is needed.
#[derive(Clone, Copy, PartialEq)]
pub enum Need {
    /// Compiling host, guest and policies.
    Build,
    /// Also running tests, demo and benches.
    Everything,
}

/// What shows that a package is there.
enum Sign {
    /// A program in PATH or the system folders.
    Program(&'static str),
    /// A file.
    File(&'static str),
    /// One of these files.
    OneOf(&'static [&'static str]),
    /// A module of the running Python.
    Python(&'static str),
}

struct Package {
    name: &'static str,
    sign: Sign,
    need: Need,
    why: &'static str,
}

const PACKAGES: [Package; 21] = [
    Package {
        name: "gcc",
        sign: Sign::Program("cc"),
        need: Need::Build,
        why: "to link programs and compile SQLite",
    },
    Package {
        name: "libc6-dev",
        sign: Sign::File("/usr/include/stdio.h"),
        need: Need::Build,
        why: "to link programs and compile SQLite",
    },
    Package {
        name: "qemu-utils",
        sign: Sign::Program("qemu-img"),
        need: Need::Everything,
        why: "to make and check disk images",
    },
    Package {
        name: "iproute2",
        sign: Sign::Program("ip"),
        need: Need::Everything,
        why: "to make test networks",
    },
    Package {
        name: "nftables",
        sign: Sign::Program("nft"),
        need: Need::Everything,
        why: "to filter packets",
    },
    Package {
        name: "dnsmasq-base",
        sign: Sign::Program("dnsmasq"),
        need: Need::Everything,
        why: "to serve virtual networks",
    },
    Package {
        name: "iputils-ping",
        sign: Sign::Program("ping"),
        need: Need::Everything,
        why: "to see who is reached in test networks",
    },
    Package {
        name: "isc-dhcp-client",
        sign: Sign::Program("dhclient"),
        need: Need::Everything,
        why: "to give interfaces of the host addresses",
    },
    Package {
        name: "busybox",
        sign: Sign::Program("busybox"),
        need: Need::Everything,
        why: "as the DHCP client of test networks",
    },
    Package {
        // Since Debian 13 it is a package of its own, virtiofsd.
        name: "qemu-system-common",
        sign: Sign::OneOf(&["/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd"]),
        need: Need::Everything,
        why: "to serve directories to guests (virtiofsd)",
    },
    Package {
        name: "qemu-guest-agent",
        sign: Sign::Program("qemu-ga"),
        need: Need::Everything,
        why: "as the peer of the host's side of guest agents",
    },
    Package {
        name: "python3",
        sign: Sign::Program("python3"),
        need: Need::Everything,
        why: "as a peer of the hook benches",
    },
    Package {
        name: "iptables",
        sign: Sign::Program("ebtables-nft"),
        need: Need::Everything,
        why: "as a peer of the filter benches",
    },
    Package {
        name: "docker-registry",
        sign: Sign::File("/usr/bin/docker-registry"),
        need: Need::Everything,
        why: "as the registry that tests push policies to",
    },
    Package {
        name: "python3-venv",
        sign: Sign::Python("ensurepip"),
        need: Need::Everything,
        why: "to install the compilers of policies in Python, Go and Zig",
    },
    Package {
        name: "nodejs",
        sign: Sign::Program("node"),
        need: Need::Everything,
        why: "to compile policies in JavaScript and AssemblyScript",
    },
    Package {
        name: "npm",
        sign: Sign::Program("npm"),
        need: Need::Everything,
        why: "to install the compilers of policies in JavaScript and AssemblyScript",
    },
    Package {
        name: "clang-19",
        sign: Sign::Program("clang-19"),
        need: Need::Everything,
        why: "to compile policies in C",
    },
    Package {
        name: "lld-19",
        sign: Sign::Program("wasm-ld-19"),
        need: Need::Everything,
        why: "to link policies in C",
    },
    Package {
        name: "wasi-libc",
        sign: Sign::File("/usr/lib/wasm32-wasi/libc.a"),
        need: Need::Everything,
        why: "as the C library of policies in C",
    },
    Package {
        name: "libclang-rt-19-dev-wasm32",
        sign: Sign::File("/usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a"),
        need: Need::Everything,
        why: "to link policies in C",
    },
];

/// Debian's Wasm compiler, for machines without rustup's target.
const WASM_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// Installs what is missing, saying so; with `install` false, or without the right to, names it and fails.
pub fn run(need: Need, install: bool) -> Result<()> {
    let mut missing = missing(need, exists);
    if Source::of_this_machine()?.is_none() {
        missing.extend(WASM_PACKAGES.map(|name| (name, "to compile policies to Wasm")));
    }
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("missing Debian packages:");
    for (name, why) in &missing {
        eprintln!("  {name:14} {why}");
    }
    let mut apt = Command::new("apt-get");
    apt.args(["install", "-y", "--no-install-recommends"]).args(missing.iter().map(|(name, _)| name));
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    let line = shown(&apt);
    if !install {
        bail!("not installing them as you asked; the command is: {line}");
    }
    if !is_root()? {
        bail!("this takes root: sudo apt-get update && sudo {line}");
    }
    eprintln!("installing: {line}");
    succeed(Command::new("apt-get").args(["update", "-qq"]))?;
    succeed(&mut apt)
}

fn missing(need: Need, exists: impl Fn(&Sign) -> bool) -> Vec<(&'static str, &'static str)> {
    PACKAGES
        .iter()
        .filter(|package| need == Need::Everything || package.need == Need::Build)
        .filter(|package| !exists(&package.sign))
        .map(|package| (package.name, package.why))
        .collect()
}

fn exists(sign: &Sign) -> bool {
    match sign {
        Sign::File(path) => Path::new(path).exists(),
        Sign::OneOf(paths) => paths.iter().any(|path| Path::new(path).exists()),
        Sign::Python(module) => {
            let mut python = Command::new("python3");
            python.args(["-c", &format!("import {module}")]).stderr(Stdio::null());
            python.status().is_ok_and(|status| status.success())
        }
        Sign::Program(name) => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
            folders.into_iter().any(|folder| folder.join(name).exists())
        }
    }
}

fn is_root() -> Result<bool> {
    Ok(output(Command::new("id").arg("-u"))? == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_missing_where_everything_exists() {
        assert!(missing(Need::Everything, |_| true).is_empty());
    }

    #[test]
    fn a_build_needs_less_than_a_test() {
        let names = |need| missing(need, |_| false).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(Need::Build), ["gcc", "libc6-dev"]);
        assert_eq!(names(Need::Everything).len(), PACKAGES.len());
    }

    #[test]
    fn only_what_is_missing_is_named() {
        let found = missing(Need::Everything, |sign| !matches!(sign, Sign::Program("qemu-img")));
        assert_eq!(found, [("qemu-utils", "to make and check disk images")]);
    }

    #[test]
    fn programs_are_looked_up_on_this_machine() {
        assert!(exists(&Sign::Program("sh")));
        assert!(!exists(&Sign::Program("no-such-program-anywhere")));
    }
}
