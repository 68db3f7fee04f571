//! Devices of which one example says all.

use reeve_model::Bytes;
use reeve_model::domain::{DeviceCommon, Filesystem, FilesystemBinary, MemoryDevice, Vsock};

/// Sockets.
pub fn vsock() -> Vsock {
    let (model, path) = (Some("virtio".to_owned()), Some("/run/vsock".to_owned()));
    Vsock { model, auto: Some(false), cid: Some(3), path, common: DeviceCommon::default() }
}

/// A directory of the host, with everything that can be said of it.
pub fn filesystem() -> Filesystem {
    let word = |text: &str| Some(text.to_owned());
    Filesystem {
        kind: word("mount"),
        access_mode: word("passthrough"),
        driver: word("virtiofs"),
        queue: Some(512),
        binary: FilesystemBinary {
            path: word("/usr/libexec/virtiofsd"),
            xattr: Some(true),
            cache: word("always"),
            sandbox: word("chroot"),
            thread_pool: Some(4),
        },
        source: word("/srv/shared"),
        target: word("shared"),
        readonly: true,
        common: DeviceCommon::default(),
    }
}

/// Memory to plug.
pub fn memory() -> MemoryDevice {
    let (block, requested) = (Some(Bytes::mib(4)), Some(Bytes::mib(8)));
    let common = DeviceCommon::default();
    MemoryDevice { model: "virtio-mem".into(), size: Bytes::mib(16), block, requested, common }
}
