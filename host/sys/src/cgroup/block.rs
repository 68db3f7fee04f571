//! Weight and limits of a group's block I/O.

use std::fmt;
use std::path::Path;

use rustix::fs::{FileType, major, minor, stat};

use super::{CgroupError, Controller, Group, Version};
use crate::files::Tree;

/// Files of version 1 for the values of a device, in the order of [`BlockValues::limits`].
const THROTTLE: [&str; 4] = [
    "blkio.throttle.read_bps_device",
    "blkio.throttle.write_bps_device",
    "blkio.throttle.read_iops_device",
    "blkio.throttle.write_iops_device",
];
/// Their names in `io.max`.
const MAX: [&str; 4] = ["rbps", "wbps", "riops", "wiops"];

/// Number of a block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceNumber {
    major: u32,
    minor: u32,
}

/// What is said of one device; none is no limit, or the weight of the group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockValues {
    /// Weight.
    pub weight: Option<u64>,
    /// Bytes read, bytes written, reads and writes a second.
    pub limits: [Option<u64>; 4],
}

impl DeviceNumber {
    /// The number of the device at a path.
    pub fn of(path: &Path) -> Result<Self, CgroupError> {
        let missing = |reason: String| CgroupError::Missing(format!("'{}' {reason}", path.display()));
        let found = stat(path).map_err(|errno| missing(format!("is not there: {errno}")))?;
        if FileType::from_raw_mode(found.st_mode) != FileType::BlockDevice {
            return Err(missing("is no block device; name the whole disk, e.g. /dev/sda".to_owned()));
        }
        Ok(Self { major: major(found.st_rdev), minor: minor(found.st_rdev) })
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl Group {
    /// Relative weight, 100 to 1000.
    pub fn set_block_weight(&self, weight: u64) -> Result<(), CgroupError> {
        let files = self.files(Controller::BlockIo)?;
        let file = self.weight_file(&files)?;
        match self.version {
            Version::V1 => files.write(file, weight)?,
            Version::V2 => files.write(file, format!("default {weight}"))?,
        }
        Ok(())
    }

    /// Relative weight in force; none where no I/O scheduler of this kernel knows weights.
    pub fn block_weight(&self) -> Result<Option<u64>, CgroupError> {
        let files = self.files(Controller::BlockIo)?;
        let Ok(file) = self.weight_file(&files) else { return Ok(None) };
        let text = files.text(file)?;
        let first = text.lines().next().unwrap_or_default();
        Ok(first.trim_start_matches("default").trim().parse().ok())
    }

    /// Sets all that is said of a device, taking away what is none; `old` is what was said before.
    pub fn set_block_device(
        &self,
        device: DeviceNumber,
        old: BlockValues,
        new: BlockValues,
    ) -> Result<(), CgroupError> {
        let files = self.files(Controller::BlockIo)?;
        if old.weight != new.weight {
            let file = self.weight_file(&files)?;
            let file = if self.version == Version::V1 { format!("{file}_device") } else { file.to_owned() };
            let weight = new.weight.map_or_else(|| "default".to_owned(), |weight| weight.to_string());
            files.write(file, format!("{device} {weight}"))?;
        }
        if old.limits == new.limits {
            return Ok(());
        }
        if self.version == Version::V2 {
            let word = |(name, value): (&str, Option<u64>)| {
                format!(" {name}={}", value.map_or_else(|| "max".to_owned(), |value| value.to_string()))
            };
            let words: String = MAX.into_iter().zip(new.limits).map(word).collect();
            return Ok(files.write("io.max", format!("{device}{words}"))?);
        }
        for (file, value) in THROTTLE.into_iter().zip(new.limits) {
            files.write(file, format!("{device} {}", value.unwrap_or(0)))?;
        }
        Ok(())
    }

    /// What is in force on a device.
    pub fn block_device(&self, device: DeviceNumber) -> Result<BlockValues, CgroupError> {
        let files = self.files(Controller::BlockIo)?;
        let key = format!("{device} ");
        let line = |text: String| {
            let line = text.lines().find_map(|line| line.strip_prefix(&key))?;
            Some(line.to_owned())
        };
        let mut values = BlockValues::default();
        if let Ok(file) = self.weight_file(&files) {
            let file = if self.version == Version::V1 { format!("{file}_device") } else { file.to_owned() };
            values.weight = line(files.text(file)?).and_then(|text| text.trim().parse().ok());
        }
        if self.version == Version::V1 {
            for (file, value) in THROTTLE.into_iter().zip(&mut values.limits) {
                *value = line(files.text(file)?).and_then(|text| text.trim().parse().ok());
            }
        } else if let Some(text) = line(files.text("io.max")?) {
            for (name, value) in MAX.into_iter().zip(&mut values.limits) {
                let word = text.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
                *value = word.and_then(|word| word.parse().ok());
            }
        }
        Ok(values)
    }

    /// The file of weights, which depends on the I/O schedulers of the kernel.
    fn weight_file(&self, files: &Tree) -> Result<&'static str, CgroupError> {
        let names = match self.version {
            Version::V1 => ["blkio.bfq.weight", "blkio.weight"],
            Version::V2 => ["io.bfq.weight", "io.weight"],
        };
        names.into_iter().find(|name| files.has(name)).ok_or_else(|| {
            let sentence =
                "block I/O can't be weighed: no I/O scheduler of this kernel knows weights; load bfq";
            CgroupError::Missing(sentence.to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::cgroup::Cgroups;

    use super::*;

    #[test]
    fn limits_of_version_2_are_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let group = Cgroups::at(Version::V2, dir.path().to_owned()).group("web");
        std::fs::create_dir(group.path()).unwrap();
        for file in ["io.max", "io.weight"] {
            std::fs::write(group.path().join(file), "").unwrap();
        }
        let device = DeviceNumber { major: 8, minor: 16 };
        let new = BlockValues { weight: None, limits: [Some(1000), None, Some(7), None] };
        group.set_block_device(device, BlockValues::default(), new).unwrap();
        let files = Tree::new(group.path());
        assert_eq!(files.text("io.max").unwrap(), "8:16 rbps=1000 wbps=max riops=7 wiops=max");
        assert_eq!(group.block_device(device).unwrap(), new);
        group.set_block_weight(500).unwrap();
        assert_eq!(files.text("io.weight").unwrap(), "default 500");
        assert_eq!(group.block_weight().unwrap(), Some(500));
    }

    #[test]
    fn what_is_no_block_device_is_refused() {
        let refused = |path: &str| DeviceNumber::of(Path::new(path)).unwrap_err().to_string();
        assert!(refused("/dev/null").contains("'/dev/null' is no block device"));
        assert!(refused("/dev/no-such-disk").contains("is not there"));
    }
}
