//! What is peculiar to a kind of pool: what building overwrites, modes, tables.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use reeve_model::Bytes;
use reeve_model::storage::{BuildMode, Permissions, PoolKind, PoolSource, SourceAuth, VolumeConfig};
use reeve_storage::{Progress, Storage, check};

use crate::bed::{Bed, MIB, run, sparse};

/// Guide 12.2, 12.3: mode 0700, owner root, unless the document says otherwise.
#[test]
fn directories_get_their_mode() {
    let mut bed = Bed::new(PoolKind::Dir, None, 0);
    bed.storage.build(&bed.config, BuildMode::Keep).unwrap();
    let mode = |bed: &Bed| bed.path().metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&bed), bed.path().metadata().unwrap().uid()), (0o700, 0));
    std::fs::set_permissions(bed.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    bed.storage.build(&bed.config, BuildMode::Keep).unwrap();
    assert_eq!(mode(&bed), 0o755, "a directory that was there lost its mode");
    bed.config.target.permissions =
        Some(Permissions { mode: Some(0o711), owner: Some(0), group: Some(107), ..Permissions::default() });
    bed.storage.build(&bed.config, BuildMode::Keep).unwrap();
    assert_eq!((mode(&bed), bed.path().metadata().unwrap().gid()), (0o711, 107));
    let error = bed.storage.build(&bed.config, BuildMode::Overwrite).unwrap_err();
    assert!(error.to_string().contains("formats nothing"), "{error}");
    bed.start();
    bed.storage.create(bed.uuid(), &sparse("a", MIB)).unwrap();
    bed.storage.stop(bed.uuid()).unwrap();
    let error = bed.storage.delete(&bed.config).unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
    assert!(bed.path().join("a").exists());
}

/// Guide 14.11.2.
#[test]
fn a_file_system_is_overwritten_only_when_asked() {
    let bed = Bed::new(PoolKind::Fs, Some("ext4"), 64 * MIB);
    bed.storage.build(&bed.config, BuildMode::Keep).unwrap();
    let error = bed.storage.start(&bed.config, &Progress::default()).unwrap_err();
    assert!(error.to_string().contains("can't be mounted"), "only the directory was to be made: {error}");
    bed.storage.build(&bed.config, BuildMode::NoOverwrite).unwrap();
    bed.start();
    bed.storage.create(bed.uuid(), &sparse("kept", MIB)).unwrap();
    assert!(bed.path().join("lost+found").is_dir());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let line = mounts.lines().find(|line| line.contains(bed.path().to_str().unwrap())).unwrap();
    assert!(["nosuid", "nodev", "noexec"].iter().all(|option| line.contains(option)), "{line}");
    // Nobody formats what is mounted.
    let other = Storage::new();
    let error = other.build(&bed.config, BuildMode::Overwrite).unwrap_err();
    assert!(error.to_string().contains("is in use"), "{error}");
    bed.storage.stop(bed.uuid()).unwrap();
    let error = bed.storage.build(&bed.config, BuildMode::NoOverwrite).unwrap_err();
    assert!(error.to_string().contains("holds ext4 already"), "{error}");
    bed.storage.build(&bed.config, BuildMode::Keep).unwrap();
    bed.start();
    assert_eq!(bed.names(), ["kept"]);
    bed.storage.stop(bed.uuid()).unwrap();
    bed.storage.build(&bed.config, BuildMode::Overwrite).unwrap();
    bed.start();
    assert!(bed.names().is_empty());
    bed.storage.stop(bed.uuid()).unwrap();
}

#[test]
fn a_file_system_that_is_not_named_is_found() {
    let bed = Bed::new(PoolKind::Fs, None, 64 * MIB);
    let error = bed.storage.build(&bed.config, BuildMode::Overwrite).unwrap_err();
    assert!(error.to_string().contains("names no file system"), "{error}");
    run("/usr/sbin/mkfs.ext4", &["-q", "-F", &bed.device.as_ref().unwrap().device]);
    bed.storage.build(&bed.config, BuildMode::Keep).unwrap();
    bed.start();
    assert!((48..64).contains(&(bed.storage.space(bed.uuid()).unwrap().capacity.0 / MIB)));
    bed.storage.stop(bed.uuid()).unwrap();
}

#[test]
fn what_this_host_cannot_make_is_refused() {
    for (format, reason) in
        [("xfs", "'mkfs.xfs', which is not installed"), ("hfs", "can't be made; there are ext4")]
    {
        if format == "xfs" && std::path::Path::new("/usr/sbin/mkfs.xfs").exists() {
            continue;
        }
        let bed = Bed::new(PoolKind::Fs, Some(format), 64 * MIB);
        let error = bed.storage.build(&bed.config, BuildMode::Overwrite).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    let mut config = Bed::new(PoolKind::Dir, None, 0).config.clone();
    config.kind = PoolKind::Logical;
    let error = check(&config).unwrap_err();
    assert!(error.to_string().contains("are found in '/dev/lab'"), "{error}");
    config.source.format = Some("lvm1".to_owned());
    let error = check(&config).unwrap_err();
    assert!(error.to_string().contains("'lvm2' can"), "{error}");
    config.kind = PoolKind::Iscsi;
    config.source.initiator = Some("iqn.2010-05.com.example:host".to_owned());
    let error = check(&config).unwrap_err();
    assert!(error.to_string().contains("by its own name"), "{error}");
    config.source.auth = Some(SourceAuth {
        kind: "ceph".to_owned(),
        username: Some("me too".to_owned()),
        secret: None,
        extra: Default::default(),
    });
    for (kind, username, reason) in [
        ("ceph", "me too", "write type='chap'"),
        ("chap", "me too", "visible ASCII"),
        ("chap", "me", "names no secret"),
    ] {
        let auth = config.source.auth.as_mut().unwrap();
        (auth.kind, auth.username) = (kind.to_owned(), Some(username.to_owned()));
        let error = check(&config).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    if !std::path::Path::new("/usr/sbin/lvm").exists() && !std::path::Path::new("/sbin/lvm").exists() {
        let mut config = config.clone();
        (config.kind, config.source, config.target.path) = (PoolKind::Logical, PoolSource::default(), None);
        let error = check(&config).unwrap_err();
        assert!(error.to_string().contains("'lvm', which is not installed"), "{error}");
    }
    (config.source, config.kind) = (PoolSource::default(), PoolKind::Disk);
    assert!(check(&config).unwrap_err().to_string().contains("found in '/dev'"));
}

#[test]
fn a_disk_that_holds_something_is_kept() {
    let bed = Bed::new(PoolKind::Disk, Some("gpt"), 64 * MIB);
    let device = bed.device.as_ref().unwrap().device.clone();
    run("/usr/sbin/mkfs.ext4", &["-q", "-F", &device]);
    for mode in [BuildMode::Keep, BuildMode::NoOverwrite] {
        let error = bed.storage.build(&bed.config, mode).unwrap_err();
        assert!(error.to_string().contains("holds ext4 already"), "{error}");
    }
    bed.storage.build(&bed.config, BuildMode::Overwrite).unwrap();
    assert_eq!(run("/usr/sbin/blkid", &["-p", "-o", "value", "-s", "PTTYPE", &device]), "gpt");
    bed.storage.build(&bed.config, BuildMode::Keep).unwrap();
    let error = bed.storage.build(&bed.config, BuildMode::NoOverwrite).unwrap_err();
    assert!(error.to_string().contains("holds gpt already"), "{error}");
}

#[test]
fn partitions_are_what_the_kernel_and_others_see() {
    let bed = Bed::new(PoolKind::Disk, Some("gpt"), 64 * MIB);
    bed.storage.build(&bed.config, BuildMode::NoOverwrite).unwrap();
    bed.start();
    for name in ["volume1", "volume2", "volume3"] {
        bed.storage.create(bed.uuid(), &VolumeConfig::new(name, Bytes(8 * MIB))).unwrap();
    }
    let device = bed.device.as_ref().unwrap().device.clone();
    let paths: Vec<_> =
        bed.storage.volumes(bed.uuid()).unwrap().into_iter().map(|volume| volume.path).collect();
    assert_eq!(paths, [1, 2, 3].map(|number| format!("{device}p{number}")));
    let label = run("/usr/sbin/blkid", &["-p", "-o", "value", "-s", "PART_ENTRY_NAME", &paths[1]]);
    assert_eq!(label, "volume2");
    bed.storage.delete_volume(bed.uuid(), "volume2").unwrap();
    assert!(!std::path::Path::new(&paths[1]).exists(), "the kernel still has the partition");
    // The gap is taken again.
    let again = bed.storage.create(bed.uuid(), &VolumeConfig::new("again", Bytes(8 * MIB))).unwrap();
    assert_eq!(again.path, paths[1]);
    let error = bed.storage.create(bed.uuid(), &VolumeConfig::new("huge", Bytes(1 << 40))).unwrap_err();
    assert!(error.to_string().contains("there is no room"), "{error}");
    // A partition that only the kernel knows is what a crash leaves.
    let disk = std::fs::File::options().read(true).write(true).open(&device).unwrap();
    reeve_sys::block::add_partition(&disk, 9, 40 * MIB, MIB).unwrap();
    assert!(std::path::Path::new(&format!("{device}p9")).exists());
    assert_eq!(bed.refresh(), ["again", "volume1", "volume3"]);
    assert!(!std::path::Path::new(&format!("{device}p9")).exists());
    // One that is mounted stays.
    run("/usr/sbin/mkfs.ext4", &["-q", "-F", &paths[0]]);
    let target = bed.dir.path().join("mounted");
    std::fs::create_dir(&target).unwrap();
    reeve_sys::mount::mount(paths[0].as_ref(), &target, "ext4", "").unwrap();
    let deleted = bed.storage.delete_volume(bed.uuid(), "volume1");
    bed.storage.stop(bed.uuid()).unwrap();
    let gone = bed.storage.delete(&bed.config);
    reeve_sys::mount::unmount(&target).unwrap();
    assert!(deleted.unwrap_err().to_string().contains("it is in use"));
    assert!(gone.unwrap_err().to_string().contains("in use"));
}
