//! Which kind of file system has a file.

use std::fs::File;

use rustix::fs::fstatfs;

/// Magic numbers of linux/magic.h and of file systems that are not in it, with the names of /proc/filesystems. One number may stand for
/// several versions, of which the newest gives the name.
const KINDS: [(u64, &str); 23] = [
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0xf2f5_2010, "f2fs"),
    (0xca45_1a4e, "bcachefs"),
    (0x2fc1_2fc1, "zfs"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlay"),
    (0x4d44, "vfat"),
    (0x2011_bab0, "exfat"),
    (0x9660, "iso9660"),
    (0x6573_5546, "fuse"),
    (0x0102_1997, "9p"),
    (0x6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "cifs"),
    (0x00c3_6400, "ceph"),
    (0x0116_1970, "gfs2"),
    (0x7461_636f, "ocfs2"),
    (0x0bd0_0bd0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x5346_414f, "afs"),
];

/// The kind of the file system that has a regular file, as `mount` names it; none of what is no regular file, and of kinds that are not
/// known here.
pub fn kind(file: &File) -> Option<&'static str> {
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let magic = fstatfs(file).ok()?.f_type as u64;
    KINDS.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_file_is_on_what_the_mounts_say() {
        let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        let is_memory = mounts
            .lines()
            .any(|line| line.starts_with("tmpfs /dev/shm tmpfs") || line.contains(" /dev/shm tmpfs "));
        assert!(is_memory, "{mounts}");
        assert_eq!(kind(file.as_file()), Some("tmpfs"));
    }

    #[test]
    fn what_is_no_file_and_what_is_not_known_has_no_kind() {
        let open = |path: &str| File::open(Path::new(path)).unwrap();
        assert_eq!(kind(&open("/dev/shm")), None, "a directory");
        assert_eq!(kind(&open("/dev/null")), None, "a device");
        assert_eq!(kind(&open("/proc/self/status")), None, "no file system of files");
    }
}
