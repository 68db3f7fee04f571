//! What a block device is to the host: all of a disk, a part of one, or mapped onto others; and what the host does with it.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, major, minor, stat};

use crate::mount;

const NUMBERS: &str = "/sys/dev/block";
const NAMES: &str = "/sys/class/block";
/// Devices on devices that are followed: more than anybody stacks.
const DEPTH: u32 = 8;

/// What a block device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// A disk, an array, a path to a unit, a loop: where the host looks for partitions.
    Whole,
    /// A partition.
    Partition,
    /// Made by the device mapper of others, such as a logical volume.
    Mapped,
}

/// A block device as the host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockDevice {
    /// What it is.
    pub nature: Nature,
    /// What the host does with it, its partitions and what is made of them: "mounted at '/srv'", "swapped to". Each of them once.
    pub uses: Vec<String>,
}

/// Looks at what a path leads to; none where that is no block device.
pub fn look(path: &Path) -> io::Result<Option<BlockDevice>> {
    let found = stat(path)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::BlockDevice {
        return Ok(None);
    }
    let number = format!("{}:{}", major(found.st_rdev), minor(found.st_rdev));
    let place = Path::new(NUMBERS).join(number).canonicalize()?;
    let mut numbers = BTreeSet::new();
    collect(&place, DEPTH, &mut numbers);
    Ok(Some(BlockDevice { nature: nature(&place), uses: uses(&numbers)? }))
}

fn nature(place: &Path) -> Nature {
    if place.join("partition").exists() {
        return Nature::Partition;
    }
    match text(&place.join("dm/uuid")) {
        // Another way to the same disk.
        Some(uuid) if uuid.starts_with("mpath-") => Nature::Whole,
        Some(_) => Nature::Mapped,
        None => Nature::Whole,
    }
}

/// The numbers of a device, of its partitions, and of what is made of them.
fn collect(place: &Path, depth: u32, numbers: &mut BTreeSet<String>) {
    let Some(number) = text(&place.join("dev")) else { return };
    if !numbers.insert(number) || depth == 0 {
        return;
    }
    let entries = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
    for part in entries(place.to_owned()).filter(|entry| entry.path().join("partition").exists()) {
        collect(&part.path(), depth - 1, numbers);
    }
    for holder in entries(place.join("holders")) {
        collect(&Path::new(NAMES).join(holder.file_name()), depth - 1, numbers);
    }
}

fn uses(numbers: &BTreeSet<String>) -> io::Result<Vec<String>> {
    let is_one = |number: u64| numbers.contains(&format!("{}:{}", major(number), minor(number)));
    let mut uses = BTreeSet::new();
    for mount in mount::all()? {
        // A file system of several devices has a number of its own, and is known by one of them.
        let of_source = || mount.mounted.source.metadata().is_ok_and(|source| is_one(source.rdev()));
        if numbers.contains(&mount.device) || of_source() {
            uses.insert(format!("mounted at '{}'", mount.point.display()));
        }
    }
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    let mut devices = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    if devices.any(|device| std::fs::metadata(device).is_ok_and(|device| is_one(device.rdev()))) {
        uses.insert("swapped to".to_owned());
    }
    Ok(uses.into_iter().collect())
}

fn text(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_device_is_told_from_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(look(file.path()).unwrap(), None);
        assert_eq!(look(Path::new("/dev/null")).unwrap(), None);
        assert!(look(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn natures_are_told_by_what_the_kernel_says() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(nature(place.path()), Nature::Whole);
        std::fs::create_dir(place.path().join("dm")).unwrap();
        let mapped = |uuid: &str| std::fs::write(place.path().join("dm/uuid"), uuid).unwrap();
        mapped("LVM-abc\n");
        assert_eq!(nature(place.path()), Nature::Mapped);
        mapped("\n");
        assert_eq!(nature(place.path()), Nature::Mapped);
        mapped("mpath-360\n");
        assert_eq!(nature(place.path()), Nature::Whole);
        std::fs::write(place.path().join("partition"), "1\n").unwrap();
        assert_eq!(nature(place.path()), Nature::Partition);
    }

    #[test]
    fn partitions_and_holders_are_followed_and_come_to_an_end() {
        let place = tempfile::tempdir().unwrap();
        let device = |name: &str, number: &str| {
            let path = place.path().join(name);
            std::fs::create_dir_all(path.join("holders")).unwrap();
            std::fs::write(path.join("dev"), number).unwrap();
            path
        };
        let disk = device("disk", "250:0\n");
        let part = device("disk/disk1", "250:1\n");
        std::fs::write(part.join("partition"), "1\n").unwrap();
        device("disk/queue", "no number");
        // The name of no device.
        std::fs::write(part.join("holders/reeve-no-such-device"), "").unwrap();
        let mut numbers = BTreeSet::new();
        collect(&disk, DEPTH, &mut numbers);
        assert_eq!(numbers.into_iter().collect::<Vec<_>>(), ["250:0", "250:1"]);
    }
}
