//! Disks that the destination opens where they are: both hosts must see them, and neither may cache what the guest writes (guide 4.1).
//! Those that go along are the destination's own, and nothing is asked of them here.

use reeve_sdk::migration::{CacheMode, MigratedDisk, Way};

/// File systems that only one host mounts at a time: a file on one of them is seen by no other.
const OF_ONE_HOST: [&str; 10] =
    ["ext4", "xfs", "btrfs", "f2fs", "bcachefs", "zfs", "tmpfs", "ramfs", "vfat", "exfat"];

/// What is wrong with one of the disks, and what helps.
pub fn objection(disks: &[MigratedDisk], shared: &[String]) -> Option<String> {
    let opened_there = |disk: &&MigratedDisk| disk.way == Way::Shared && !disk.readonly;
    disks.iter().filter(opened_there).find_map(|disk| unseen(disk, shared).or_else(|| cached(disk)))
}

/// It is where the other host does not see it.
fn unseen(disk: &MigratedDisk, shared: &[String]) -> Option<String> {
    let (target, path) = (&disk.target, disk.path.as_deref()?);
    if !shared.is_empty() {
        let is_seen = shared.iter().any(|folder| is_within(path, folder));
        let places = shared.join(" or ");
        return (!is_seen).then(|| {
            format!(
                "disk '{target}' is at '{path}', which the other host does not see; move it to {places}{}",
                or_send(disk)
            )
        });
    }
    let kind = disk.file_system.as_deref().filter(|kind| OF_ONE_HOST.contains(kind))?;
    Some(format!(
        "disk '{target}' is at '{path}' on {kind}, which no other host sees; move it to storage that both have{}",
        or_send(disk)
    ))
}

/// Its host keeps what was written.
fn cached(disk: &MigratedDisk) -> Option<String> {
    let cache = match disk.cache {
        CacheMode::None => "none",
        CacheMode::Writethrough => "writethrough",
        CacheMode::Writeback => "writeback",
        CacheMode::Directsync => "directsync",
        CacheMode::Unsafe => "unsafe",
    };
    let why = match disk.cache {
        CacheMode::None | CacheMode::Directsync => {
            "is an image or encrypted, which hosts cache whatever its cache mode says".to_owned()
        }
        _ => format!("has cache '{cache}'"),
    };
    let mend = match disk.cache {
        CacheMode::None | CacheMode::Directsync => "convert it to a raw one that is not encrypted",
        _ => "give it cache 'none'",
    };
    (!disk.coherent).then(|| {
        let (target, otherwise) = (&disk.target, or_send(disk));
        format!(
            "disk '{target}' {why}: the other host would not see what was written last; {mend}{otherwise}"
        )
    })
}

/// What else helps: not every disk can go along.
fn or_send(disk: &MigratedDisk) -> &'static str {
    if disk.device == "disk" && !disk.shareable {
        ", send it along (--copy-storage-all), or say --unsafe when you know better"
    } else {
        ", or say --unsafe when you know better"
    }
}

fn is_within(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.starts_with('/')) && !path.contains("/../")
}

#[cfg(test)]
mod tests {
    use reeve_sdk::testing::migrated_disk;

    use super::*;

    fn said(disk: MigratedDisk, shared: &[&str]) -> Option<String> {
        let shared: Vec<_> = shared.iter().map(|folder| (*folder).to_owned()).collect();
        objection(&[migrated_disk("vda", "/srv/images/first.img"), disk], &shared)
    }

    fn at(path: &str) -> MigratedDisk {
        migrated_disk("vdb", path)
    }

    #[test]
    fn a_shared_disk_is_where_the_operator_says() {
        let images = ["/srv/images/", "/mnt"];
        assert_eq!(said(at("/srv/images/a.img"), &images), None);
        assert_eq!(
            said(at("/srv/images-too/a.img"), &images).unwrap(),
            "disk 'vdb' is at '/srv/images-too/a.img', which the other host does not see; move it to /srv/images/ or /mnt, \
             send it along (--copy-storage-all), or say --unsafe when you know better"
        );
        assert!(said(at("/srv/images/../a.img"), &images).is_some());
        // The operator knows better what is mounted there.
        let mounted = MigratedDisk { file_system: Some("ext4".into()), ..at("/mnt/a.img") };
        assert_eq!(said(mounted.clone(), &images), None);
        assert!(said(mounted, &[]).is_some());
    }

    #[test]
    fn a_file_system_of_one_host_is_seen_by_no_other() {
        let on = |kind: Option<&str>| MigratedDisk { file_system: kind.map(Into::into), ..at("/a.img") };
        for kind in [None, Some("nfs"), Some("gfs2"), Some("fuse")] {
            assert_eq!(said(on(kind), &[]), None);
        }
        assert!(
            said(on(Some("xfs")), &[])
                .unwrap()
                .starts_with("disk 'vdb' is at '/a.img' on xfs, which no other host sees")
        );
        let copied = |way| MigratedDisk { way, ..on(Some("xfs")) };
        assert_eq!(said(copied(Way::Copied), &[]), None);
        assert_eq!(said(copied(Way::CopiedAboveBacking), &[]), None);
        assert_eq!(said(MigratedDisk { readonly: true, ..on(Some("xfs")) }, &[]), None);
        let shared = said(MigratedDisk { shareable: true, ..on(Some("xfs")) }, &[]).unwrap();
        assert!(!shared.contains("copy-storage"), "it can't go along: {shared}");
    }

    #[test]
    fn what_a_host_caches_the_other_does_not_see() {
        let cached = MigratedDisk { cache: CacheMode::Writethrough, coherent: false, ..at("/a.img") };
        assert_eq!(
            said(cached.clone(), &[]).unwrap(),
            "disk 'vdb' has cache 'writethrough': the other host would not see what was written last; give it cache 'none', \
             send it along (--copy-storage-all), or say --unsafe when you know better"
        );
        assert_eq!(said(MigratedDisk { way: Way::Copied, ..cached.clone() }, &[]), None);
        // A volume that this host has not looked up has a cache too.
        let volume = MigratedDisk { path: None, pool: Some("p".into()), volume: Some("v".into()), ..cached };
        assert!(said(volume, &["/mnt"]).is_some());
    }
}
