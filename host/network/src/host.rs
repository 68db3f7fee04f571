//! What of the host is used, and where.

use std::fmt;
use std::fs::Permissions;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reeve_sys::link::{KernelLinks, Links};
use reeve_sys::nft::{KernelNft, Nft};
use reeve_sys::sysctl::Sysctls;
use reeve_sys::traffic::{KernelTraffic, Traffic};

use crate::NetworkError;

/// The parts of the host that networks are made of; tests put fakes in their place.
#[derive(Clone)]
pub struct Host {
    /// Links, addresses, routes.
    pub links: Arc<dyn Links>,
    /// The packet filter.
    pub nft: Arc<dyn Nft>,
    /// Limits of links.
    pub traffic: Arc<dyn Traffic>,
    /// Settings of the kernel.
    pub sysctls: Sysctls,
    /// The program dnsmasq.
    pub dnsmasq: PathBuf,
    /// Where virtual functions of network cards are found, `/sys/class/net`.
    pub net_class: PathBuf,
    /// Directory of what must not survive a reboot; `network/` below it is ours and readable by everybody, as dnsmasq reads there
    /// without privilege.
    pub run: PathBuf,
    /// Directory of what must; `network/` below it is ours.
    pub state: PathBuf,
}

impl Host {
    /// The kernel's own, in the calling thread's network namespace.
    pub fn kernel(run: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Self {
        Self {
            links: Arc::new(KernelLinks),
            nft: Arc::new(KernelNft::default()),
            traffic: Arc::new(KernelTraffic::default()),
            sysctls: Sysctls::default(),
            dnsmasq: "/usr/sbin/dnsmasq".into(),
            net_class: "/sys/class/net".into(),
            run: run.into(),
            state: state.into(),
        }
    }

    /// How links of this host's daemon begin their alias: another daemon, with another run directory, has another mark.
    pub fn mark(&self) -> String {
        let mut hash = 0x811c_9dc5_u32;
        for byte in self.run.as_os_str().as_encoded_bytes() {
            hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
        format!("reeve-{hash:08x}")
    }

    pub(crate) fn run_directory(&self) -> Result<PathBuf, NetworkError> {
        directory(self.run.join("network"), 0o755)
    }

    pub(crate) fn state_directory(&self) -> Result<PathBuf, NetworkError> {
        directory(self.state.join("network"), 0o700)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("run", &self.run).field("state", &self.state).finish_non_exhaustive()
    }
}

fn directory(path: PathBuf, mode: u32) -> Result<PathBuf, NetworkError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(mode).create(&path);
    // Whatever the process takes from modes of what it makes.
    made.and_then(|()| std::fs::set_permissions(&path, Permissions::from_mode(mode)))
        .map_err(NetworkError::file(&path, "made"))?;
    Ok(path)
}

/// Writes a file whole or not at all; everybody may read it.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), NetworkError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    std::fs::write(&new, text)
        .and_then(|()| std::fs::set_permissions(&new, Permissions::from_mode(0o644)))
        .and_then(|()| std::fs::rename(&new, path))
        .map_err(NetworkError::file(path, "written"))
}
