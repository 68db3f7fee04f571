//! Devices of which one example says all.

use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use reeve_model::domain::{
    DeviceCommon, Disk, DiskBlocks, DiskDriver, DiskGeometry, DiskSource, Filesystem, FilesystemBinary,
    IoTune, MemoryDevice, ResourceConfig, ScheduledThreads, ThreadScheduling, Vsock,
};
use reeve_model::{Bytes, CpuSet};

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
    MemoryDevice { model: "virtio-mem".into(), size: Bytes::mib(16), block, requested, node: None, common }
}

/// What is drawn by [`told`].
pub type Told = (Option<String>, DiskBlocks);

/// A disk on a source.
pub fn disk(source: DiskSource, (startup_policy, blocks): Told) -> Disk {
    Disk {
        device: "disk".into(),
        // What is in a source that is kept as it is written is there.
        startup_policy: startup_policy.filter(|_| !matches!(source, DiskSource::Other { .. })),
        source,
        driver: DiskDriver::default(),
        encryption: None,
        target: String::new(),
        bus: Some("virtio".into()),
        readonly: false,
        shareable: false,
        transient: true,
        serial: None,
        wwn: None,
        tray: None,
        blocks: Box::new(blocks),
        iotune: Box::new(IoTune::default()),
        common: DeviceCommon::default(),
    }
}

/// What a guest is told of a disk, and what becomes of a start without it.
pub fn told() -> impl Strategy<Value = Told> {
    let policy = of(select(vec!["mandatory".to_owned(), "optional".to_owned()]));
    let geometry = (1..65_535u32).prop_map(|cylinders| DiskGeometry {
        cylinders,
        heads: 16,
        sectors: 63,
        translation: None,
    });
    let blocks = (of(Just(4096)), of(Just(8192)), of(Just(12_288)), of(geometry)).prop_map(
        |(logical, physical, discard, geometry)| DiskBlocks { logical, physical, discard, geometry },
    );
    (policy, blocks)
}

/// The second I/O thread before all others.
pub fn scheduling(priority: u32) -> ThreadScheduling {
    let threads = ScheduledThreads::Iothreads(CpuSet::new([2]).expect("2 is a number of a thread"));
    ThreadScheduling { threads, scheduler: "rr".into(), priority: Some(priority) }
}

/// In a group of its own, or in the host's.
pub fn resource(own: bool) -> ResourceConfig {
    let partition = own.then(|| "/virtualmachines/production".to_owned());
    ResourceConfig { partition, ..ResourceConfig::default() }
}
