//! A host in a directory of its own, with the native driver and the test guest.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reeve_domain::kvm::{KvmConfig, KvmDriver};
use reeve_domain::{Console, Driver};
use reeve_model::domain::{
    CharDevice, DeviceCommon, Disk, DiskDriver, DiskSource, DomainConfig, DomainType, Interface,
};
use reeve_sys::cgroup::Cgroups;
use reeve_sys::layout::Layout;
use reeve_vmm::config::{SandboxConfig, SeccompMode};
use tokio::io::AsyncReadExt;

use super::{Host, document};

/// The target directory this test was built in.
pub fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}

pub fn guest() -> String {
    let path = target().join("guest/reeve-guest.elf");
    assert!(path.exists(), "{} is missing: run `cargo xtask guest`", path.display());
    path.to_str().unwrap().to_owned()
}

/// A host in a directory of its own.
pub struct Lab {
    pub root: tempfile::TempDir,
    cgroups: Option<Cgroups>,
}

impl Lab {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let name = format!("reeve-test-{}", root.path().file_name().unwrap().to_str().unwrap());
        Self { cgroups: Cgroups::probe(&name), root }
    }

    pub fn driver(&self) -> Arc<dyn Driver> {
        let root = rustix::process::geteuid().is_root();
        Arc::new(KvmDriver::new(KvmConfig {
            virtiofsd: None,
            keys: Arc::default(),
            worker: target().join("debug/reeve-worker"),
            layout: Arc::new(Layout::open(self.root.path()).unwrap()),
            cgroups: self.cgroups.clone(),
            sandbox: SandboxConfig {
                uid: root.then_some(65534),
                gid: root.then_some(65534),
                seccomp: SeccompMode::Kill,
                landlock: true,
            },
        }))
    }

    pub fn host(&self) -> Host {
        Host::new(vec![self.driver()])
    }

    /// Nothing of any domain is left on the host.
    pub fn is_clean(&self) {
        let left = std::fs::read_dir(self.root.path().join("run/reeve/domains")).unwrap().count();
        assert_eq!(left, 0, "directories of domains are left");
        if let Some(cgroups) = &self.cgroups {
            assert_eq!(cgroups.names(), [""; 0], "cgroups are left");
        }
    }
}

/// A document that boots the test guest.
pub fn guest_document(name: &str, cmdline: &str) -> DomainConfig {
    let mut config = document(DomainType::Kvm, name);
    config.os.kernel = Some(guest());
    config.os.cmdline = Some(cmdline.to_owned());
    config.devices.serials.push(CharDevice {
        kind: "pty".to_owned(),
        path: None,
        mode: None,
        host: None,
        service: None,
        protocol: None,
        target_type: None,
        port: None,
        name: None,
        common: DeviceCommon::default(),
    });
    config
}

pub fn disk(target: &str, path: &Path) -> Disk {
    Disk {
        device: "disk".to_owned(),
        source: DiskSource::File { path: Some(path.to_str().unwrap().to_owned()) },
        driver: DiskDriver { cache: Some("none".to_owned()), ..DiskDriver::default() },
        target: target.to_owned(),
        bus: Some("virtio".to_owned()),
        readonly: false,
        shareable: false,
        serial: None,
        transient: false,
        wwn: None,
        startup_policy: None,
        tray: None,
        blocks: Default::default(),
        iotune: Default::default(),
        encryption: None,
        common: DeviceCommon::default(),
    }
}

/// Reads a console until it says `words`.
pub async fn says(console: &mut Console, words: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    let deadline = Instant::now() + Duration::from_secs(20);
    while !text.contains(words) {
        let left = deadline.saturating_duration_since(Instant::now());
        let read = tokio::time::timeout(left, console.read(&mut buffer)).await;
        let count = read.unwrap_or_else(|_| panic!("no '{words}' in {text:?}")).unwrap();
        assert!(count > 0, "the console ended without '{words}': {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    text
}

/// A network interface.
pub fn interface(kind: &str, mac: &str, source: &[(&str, &str)]) -> Interface {
    Interface {
        kind: kind.to_owned(),
        source: source.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        mac: Some(mac.to_owned()),
        model: Some("virtio".to_owned()),
        ..Interface::default()
    }
}
