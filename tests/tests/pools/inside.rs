//! What is done in the emulated host.

use std::os::unix::fs::FileExt;

use reeve_model::Bytes;
use reeve_model::storage::{
    BackingStore, BuildMode, PoolKind, SourceDevice, SourceHost, VolumeConfig, VolumeKind, WipeAlgorithm,
};
use reeve_storage::{Progress, Resize};

use crate::bed::{Bed, MIB, run};
use crate::contract::{download, walk};

const LVM: &str = "/sbin/lvm";
const TARGET: &str = "iqn.2010-05.com.example:lab";

pub fn all() {
    netfs();
    println!("inside: netfs keeps to the contract");
    iscsi();
    println!("inside: iscsi has the units of its target");
    walk(&mut Bed::new(PoolKind::Logical, Some("lvm2"), 96 * MIB));
    println!("inside: logical keeps to the contract");
    logical();
    println!("inside: snapshots, leftovers and what is in use are as LVM has them");
}

fn logical() {
    let bed = Bed::new(PoolKind::Logical, None, 64 * MIB);
    let device = &bed.device.as_ref().unwrap().device;
    let (uuid, progress) = (bed.uuid(), Progress::default());
    // Guide 12.4, 14.11.2: what a device holds is kept unless it may be destroyed.
    run("/bin/mkswap", &[device.as_str()]);
    let error = bed.storage.build(&bed.config, BuildMode::NoOverwrite).unwrap_err();
    assert!(error.to_string().contains("holds swap already"), "{error}");
    bed.storage.build(&bed.config, BuildMode::Overwrite).unwrap();
    bed.storage.build(&bed.config, BuildMode::Keep).unwrap();
    let error = bed.storage.build(&bed.config, BuildMode::Overwrite).unwrap_err();
    assert!(error.to_string().contains("'lab' exists already"), "{error}");
    bed.start();
    let space = bed.storage.space(uuid).unwrap();
    assert_eq!((space.capacity, space.available), (Bytes(60 * MIB), Bytes(60 * MIB)));

    // LVM has it as it was asked for, and a snapshot has what its origin had.
    let one = bed.storage.create(uuid, &VolumeConfig::new("one", Bytes(5 * MIB))).unwrap();
    assert_eq!((one.path.as_str(), one.capacity), ("/dev/lab/one", Bytes(8 * MIB)));
    let size = run(LVM, &["lvs", "--noheadings", "--units", "b", "-o", "lv_size,lv_tags", "lab/one"]);
    assert_eq!(size, format!("{}B", 8 * MIB));
    bed.open("one").write_all_at(b"before", 0).unwrap();
    let backing =
        BackingStore { path: one.path.clone(), format: None, permissions: None, extra: Default::default() };
    let config = VolumeConfig { backing: Some(backing), ..VolumeConfig::new("snap", Bytes(4 * MIB)) };
    let snapshot = bed.storage.create(uuid, &config).unwrap();
    assert_eq!(snapshot.backing.as_deref(), Some("/dev/lab/one"));
    assert_eq!((snapshot.capacity, snapshot.allocation), (Bytes(8 * MIB), Bytes(4 * MIB)));
    let grown = Resize { capacity: Bytes(12 * MIB), ..Resize::default() };
    let error = bed.storage.resize(uuid, "snap", grown).unwrap_err();
    assert!(error.to_string().contains("the size of its origin"), "{error}");
    bed.open("one").write_all_at(b"after!", 0).unwrap();
    assert_eq!(download(&bed.storage, uuid, "snap", (0, Some(6))), b"before");
    let error = bed.storage.delete_volume(uuid, "one").unwrap_err();
    assert!(error.to_string().contains("'snap' reads from it"), "{error}");
    bed.storage.delete_volume(uuid, "snap").unwrap();

    // Names and sizes that LVM can't have.
    for name in ["-one", "a b", ".", "a\nb"] {
        let error = bed.storage.create(uuid, &VolumeConfig::new(name, Bytes(MIB))).unwrap_err();
        assert!(!error.to_string().contains("lvm says"), "{error}");
    }
    let error = bed.storage.create(uuid, &VolumeConfig::new("huge", Bytes(1 << 40))).unwrap_err();
    assert!(error.to_string().contains("there is no room"), "{error}");
    let grown = Resize { capacity: Bytes(1 << 40), ..Resize::default() };
    let error = bed.storage.resize(uuid, "one", grown).unwrap_err();
    assert!(error.to_string().contains("there is no room"), "{error}");

    // What a crash left is no volume, and goes.
    run(LVM, &["lvcreate", "-q", "--yes", "-n", "half", "-L", "4m", "--addtag", "reeve_unfinished", "lab"]);
    run(LVM, &["lvcreate", "-q", "--yes", "-n", "others", "-L", "4m", "lab"]);
    assert_eq!(bed.refresh(), ["one", "others"]);
    assert_eq!(run(LVM, &["lvs", "--noheadings", "-o", "lv_name", "lab"]).split_whitespace().count(), 2);

    // One that grew when its daemon died is what it was.
    run(LVM, &["lvchange", "-q", "--addtag", "reeve_grows_from.8388608", "lab/one"]);
    run(LVM, &["lvextend", "-q", "-L", "16m", "lab/one"]);
    assert_eq!(bed.refresh(), ["one", "others"]);
    assert_eq!(bed.storage.volume(uuid, "one").unwrap().capacity, Bytes(8 * MIB));
    assert_eq!(run(LVM, &["lvs", "--noheadings", "-o", "lv_tags", "lab/one"]), "");

    // A volume that somebody has open holds the pool, and then not.
    let held = bed.open("one");
    let error = bed.storage.stop(uuid).unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
    assert!(bed.storage.is_active(uuid) && bed.storage.volume(uuid, "others").unwrap().fault.is_none());
    drop(held);
    let second = Bed::new(PoolKind::Logical, None, 16 * MIB);
    let error = bed.storage.start(&second.config, &progress).unwrap_err();
    assert!(error.to_string().contains("belongs to storage pool 'lab'"), "{error}");
    bed.storage.stop(uuid).unwrap();
    assert!(!std::path::Path::new("/dev/lab/one").exists());
    bed.storage.delete(&bed.config).unwrap();
    let error = bed.storage.start(&bed.config, &progress).unwrap_err();
    assert!(error.to_string().contains("volume group 'lab' is not there"), "{error}");
}

fn netfs() {
    let mut bed = Bed::new(PoolKind::Netfs, Some("nfs"), 0);
    bed.config.source.hosts = vec![SourceHost { name: "127.0.0.1".to_owned(), port: None }];
    bed.config.source.dir = Some("/export".to_owned());
    bed.config.source.protocol = Some("4.2".to_owned());
    bed.config.check().unwrap();
    std::fs::write("/export/.reeve-new-0-first", "half").unwrap();
    walk(&mut bed);
    assert_eq!(std::fs::read_dir("/export").unwrap().count(), 1, "what the walk left is on the server");
}

/// A pool of the adapter that the initiator is: the same units by another way (guide 12.8).
fn adapter(bed: &Bed) {
    let units = std::fs::read_dir("/sys/class/scsi_device").unwrap().flatten();
    let hosts = units.filter_map(|unit| unit.file_name().to_str()?.strip_suffix(":0:0:1").map(str::to_owned));
    let host = hosts.into_iter().next().unwrap();
    let named = |name: &str| {
        let mut config = bed.config.clone();
        (config.kind, config.name, config.uuid) =
            (PoolKind::Scsi, "adapter".to_owned(), uuid::Uuid::new_v4());
        config.source = reeve_model::storage::PoolSource::default();
        let adapter = reeve_model::storage::Adapter { name: Some(name.to_owned()), ..Default::default() };
        config.source.adapter = Some(adapter);
        config.check().unwrap();
        config
    };
    let progress = Progress::default();
    let error = bed.storage.start(&named("host4711"), &progress).unwrap_err();
    assert!(
        error.to_string().contains(&format!("'host4711' is not there; this host has host{host}")),
        "{error}"
    );
    let config = named(&format!("scsi_host{host}"));
    bed.storage.build(&config, BuildMode::Keep).unwrap();
    bed.storage.start(&config, &progress).unwrap();
    let facts = |uuid| {
        let volumes = bed.storage.volumes(uuid).unwrap().into_iter();
        volumes.map(|unit| (unit.name, unit.path, unit.key, unit.capacity)).collect::<Vec<_>>()
    };
    assert_eq!(facts(config.uuid), facts(bed.uuid()));
    let error = bed.storage.start(&named(&format!("host{host}")), &progress).unwrap_err();
    assert!(error.to_string().contains("belongs to storage pool 'adapter'"), "{error}");
    let bytes = vec![0x71; MIB as usize];
    bed.storage.upload(config.uuid, "unit:0:0:1", (MIB, None), &mut bytes.as_slice(), &progress).unwrap();
    assert!(std::fs::read("/units/1").unwrap()[MIB as usize..][..MIB as usize] == bytes[..]);
    // A unit that the kernel has forgotten is found by another look.
    std::fs::write(format!("/sys/class/scsi_device/{host}:0:0:0/device/delete"), "1").unwrap();
    bed.storage.stop(config.uuid).unwrap();
    assert_eq!(facts(bed.uuid()).len(), 2, "the list of the last refresh");
    bed.storage.start(&config, &progress).unwrap();
    assert_eq!(facts(config.uuid).len(), 2, "a start looks at the units too");
    let error = bed.storage.create(config.uuid, &VolumeConfig::new("new", Bytes(MIB))).unwrap_err();
    assert!(error.to_string().contains("are made on their storage system"), "{error}");
    let error = bed.storage.delete_volume(config.uuid, "unit:0:0:1").unwrap_err();
    assert!(error.to_string().contains("are deleted on their storage system"), "{error}");
    bed.storage.stop(config.uuid).unwrap();
    assert!(std::path::Path::new(&format!("/sys/class/scsi_host/host{host}")).exists());
    let error = bed.storage.build(&config, BuildMode::Overwrite).unwrap_err();
    assert!(error.to_string().contains("formats nothing"), "{error}");
    let error = bed.storage.delete(&config).unwrap_err();
    assert!(error.to_string().contains("part of the host"), "{error}");
    println!("inside: scsi has the units of its adapter");
}

fn iscsi() {
    let mut bed = Bed::new(PoolKind::Iscsi, None, 16 * MIB);
    bed.config.source.hosts = vec![SourceHost { name: "127.0.0.1".to_owned(), port: None }];
    let device = |path: &str| SourceDevice { path: path.to_owned(), part_separator: None, free: Vec::new() };
    bed.config.target.path = Some("/dev/disk/by-path".to_owned());
    let (uuid, progress) = (bed.uuid(), Progress::default());
    bed.config.source.devices = vec![device("iqn.2010-05.com.example:nobody")];
    bed.config.check().unwrap();
    let error = bed.storage.start(&bed.config, &progress).unwrap_err();
    assert!(error.to_string().contains("it offers iqn.") && error.to_string().contains(TARGET), "{error}");
    bed.config.source.devices = vec![device(TARGET)];
    bed.storage.build(&bed.config, BuildMode::Keep).unwrap();
    let error = bed.storage.build(&bed.config, BuildMode::Overwrite).unwrap_err();
    assert!(error.to_string().contains("formats nothing"), "{error}");
    bed.start();
    let volumes = bed.storage.volumes(uuid).unwrap();
    let facts: Vec<_> = volumes.iter().map(|unit| (unit.name.as_str(), unit.kind, unit.capacity)).collect();
    let size = Bytes(16 * MIB);
    assert_eq!(facts, [("unit:0:0:0", VolumeKind::Block, size), ("unit:0:0:1", VolumeKind::Block, size)]);
    assert_eq!(bed.storage.space(uuid).unwrap().capacity, Bytes(32 * MIB));
    assert_ne!(volumes[0].key, volumes[1].key);

    // What is written goes to the server's unit, and no other.
    let bytes = vec![0x5a; MIB as usize];
    bed.storage.upload(uuid, "unit:0:0:1", (MIB, None), &mut bytes.as_slice(), &progress).unwrap();
    assert!(download(&bed.storage, uuid, "unit:0:0:1", (MIB, Some(MIB))) == bytes);
    let on_server = std::fs::read("/units/1").unwrap();
    assert!(
        on_server[MIB as usize..][..MIB as usize] == bytes[..]
            && std::fs::read("/units/0").unwrap()[MIB as usize] == 0
    );
    bed.storage.wipe(uuid, "unit:0:0:1", WipeAlgorithm::Zero, &progress).unwrap();
    assert!(download(&bed.storage, uuid, "unit:0:0:1", (0, None)).iter().all(|byte| *byte == 0));

    // The server alone makes, resizes and deletes.
    let error = bed.storage.create(uuid, &VolumeConfig::new("new", Bytes(MIB))).unwrap_err();
    assert!(error.to_string().contains("are made on its server"), "{error}");
    let error = bed.storage.delete_volume(uuid, "unit:0:0:1").unwrap_err();
    assert!(error.to_string().contains("are deleted on its server"), "{error}");
    let grown = Resize { capacity: Bytes(32 * MIB), ..Resize::default() };
    let error = bed.storage.resize(uuid, "unit:0:0:1", grown).unwrap_err();
    assert!(error.to_string().contains("are resized on its server"), "{error}");
    assert_eq!(bed.refresh(), ["unit:0:0:0", "unit:0:0:1"]);

    adapter(&bed);

    // Another daemon takes the session over, and a stop ends it.
    let again = reeve_storage::Storage::new();
    again.start(&bed.config, &progress).unwrap();
    assert_eq!(again.volumes(uuid).unwrap().len(), 2);
    drop(again);
    bed.storage.stop(uuid).unwrap();
    let sessions = std::fs::read_dir("/sys/class/iscsi_session").unwrap().count();
    assert_eq!(sessions, 0, "the host is still logged in");
    let error = bed.storage.delete(&bed.config).unwrap_err();
    assert!(error.to_string().contains("belongs to its server"), "{error}");
}
