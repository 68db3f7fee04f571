//! Memory limits of a group.

use super::{CgroupError, Controller, Group, Version};
use crate::files::Tree;

/// From here on a limit of version 1 is none.
const NO_LIMIT: u64 = 1 << 62;
const SWAP: &str = "memory.memsw.limit_in_bytes";

/// Limits in bytes; none is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryValues {
    /// Most memory.
    pub hard: Option<u64>,
    /// What it is pushed back to while memory is short.
    pub soft: Option<u64>,
    /// Most memory and swap together.
    pub swap: Option<u64>,
    /// Memory that is not taken from it; version 2.
    pub min: Option<u64>,
}

impl Group {
    /// Sets all limits.
    pub fn set_memory(&self, values: MemoryValues) -> Result<(), CgroupError> {
        let files = self.files(Controller::Memory)?;
        match self.version {
            Version::V1 => set_version1(&files, values),
            Version::V2 => set_version2(&files, values),
        }
    }

    /// The limits in force.
    pub fn memory(&self) -> Result<MemoryValues, CgroupError> {
        let files = self.files(Controller::Memory)?;
        if self.version == Version::V1 {
            let limit = |name: &str| -> Result<Option<u64>, CgroupError> {
                Ok(Some(files.number(name)?).filter(|limit| *limit < NO_LIMIT))
            };
            let swap = if files.has(SWAP) { limit(SWAP)? } else { None };
            let (hard, soft) = (limit("memory.limit_in_bytes")?, limit("memory.soft_limit_in_bytes")?);
            return Ok(MemoryValues { hard, soft, swap, min: None });
        }
        let limit = |name: &str| -> Result<Option<u64>, CgroupError> { Ok(files.text(name)?.parse().ok()) };
        let hard = limit("memory.max")?;
        let only_swap = limit("memory.swap.max")?;
        let swap = hard.zip(only_swap).map(|(hard, swap)| hard + swap);
        let min = limit("memory.min")?.filter(|min| *min > 0);
        Ok(MemoryValues { hard, soft: limit("memory.high")?, swap, min })
    }
}

/// The limit of memory and swap can't be below that of memory at any moment, so it goes out of the way first.
fn set_version1(files: &Tree, values: MemoryValues) -> Result<(), CgroupError> {
    let MemoryValues { hard, soft, swap, min } = values;
    if min.is_some() {
        let sentence = "a minimum of memory can't be guaranteed: cgroups of version 1 have no such setting";
        return Err(CgroupError::Missing(sentence.to_owned()));
    }
    let accounted = files.has(SWAP);
    if swap.is_some() && !accounted {
        let sentence = "swap can't be limited: this kernel does not account it; boot it with swapaccount=1";
        return Err(CgroupError::Missing(sentence.to_owned()));
    }
    if accounted {
        files.write(SWAP, "-1")?;
    }
    files.write("memory.limit_in_bytes", number(hard, "-1"))?;
    if let Some(swap) = swap {
        files.write(SWAP, swap)?;
    }
    Ok(files.write("memory.soft_limit_in_bytes", number(soft, "-1"))?)
}

fn set_version2(files: &Tree, values: MemoryValues) -> Result<(), CgroupError> {
    let MemoryValues { hard, soft, swap, min } = values;
    let only_swap = swap.map(|swap| swap.saturating_sub(hard.unwrap_or(0)));
    files.write("memory.max", number(hard, "max"))?;
    files.write("memory.high", number(soft, "max"))?;
    files.write("memory.swap.max", number(only_swap, "max"))?;
    Ok(files.write("memory.min", number(min, "0"))?)
}

fn number(value: Option<u64>, none: &str) -> String {
    value.map_or_else(|| none.to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use crate::cgroup::Cgroups;

    use super::*;

    #[test]
    fn version_2_keeps_swap_apart() {
        let dir = tempfile::tempdir().unwrap();
        let group = Cgroups::at(Version::V2, dir.path().to_owned()).group("web");
        std::fs::create_dir(group.path()).unwrap();
        for file in ["memory.max", "memory.high", "memory.swap.max", "memory.min"] {
            std::fs::write(group.path().join(file), "max").unwrap();
        }
        let values = MemoryValues { hard: Some(100), soft: Some(50), swap: Some(130), min: Some(10) };
        group.set_memory(values).unwrap();
        assert_eq!(Tree::new(group.path()).text("memory.swap.max").unwrap(), "30");
        assert_eq!(group.memory().unwrap(), values);
        group.set_memory(MemoryValues::default()).unwrap();
        assert_eq!(group.memory().unwrap(), MemoryValues::default());
    }

    #[test]
    fn what_version_1_lacks_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let group = Cgroups::at(Version::V1, dir.path().to_owned()).group("web");
        let refused = |values| group.set_memory(values).unwrap_err().to_string();
        assert!(refused(MemoryValues { min: Some(1), ..MemoryValues::default() }).contains("guaranteed"));
        assert!(refused(MemoryValues { swap: Some(1), ..MemoryValues::default() }).contains("swapaccount=1"));
    }
}
