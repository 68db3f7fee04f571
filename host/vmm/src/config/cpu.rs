//! What the vCPUs say they are.

use serde::{Deserialize, Serialize};

/// What the vCPUs say they are; by default what the host's are, in one socket with a core a vCPU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuConfig {
    /// Sockets, cores and threads.
    #[serde(default)]
    pub topology: Option<CpuTopology>,
    /// Words of CPUID that are changed; those that KVM does not have stay away.
    #[serde(default)]
    pub words: Vec<CpuidWord>,
    /// The twelve letters of the vendor.
    #[serde(default)]
    pub vendor: Option<String>,
    /// Family, model and stepping.
    #[serde(default)]
    pub signature: Option<(u32, u32, u32)>,
}

/// Where vCPUs are, in the order of their numbers: threads of a core, cores of a socket, sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuTopology {
    /// Cores of a socket; a power of two where there are several sockets.
    pub cores: u32,
    /// Threads of a core, a power of two.
    pub threads: u32,
    /// Sockets.
    pub sockets: u32,
}

/// One register of a leaf of CPUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuidWord {
    /// Leaf.
    pub leaf: u32,
    /// Subleaf.
    pub subleaf: u32,
    /// Register: 0 EAX, 1 EBX, 2 ECX, 3 EDX.
    pub register: u8,
    /// Bits that are passed on when KVM has them.
    pub keep: u32,
    /// Bits that are told whether KVM has them or not.
    #[serde(default)]
    pub set: u32,
}

impl CpuTopology {
    /// True when the number of a vCPU can say where it is.
    pub fn is_regular(&self) -> bool {
        let Self { cores, threads, sockets } = *self;
        threads.is_power_of_two() && cores > 0 && sockets > 0 && (sockets == 1 || cores.is_power_of_two())
    }
}

impl CpuConfig {
    /// What in it can't be; none when all of it can.
    pub(super) fn fault(&self) -> Option<String> {
        let letters = |vendor: &String| vendor.len() != 12 || !vendor.is_ascii();
        if let Some(vendor) = self.vendor.as_ref().filter(|vendor| letters(vendor)) {
            return Some(format!("a vendor of CPUs has 12 ASCII letters, and '{vendor}' has not"));
        }
        if self.topology.is_some_and(|topology| !topology.is_regular()) {
            let reason = "threads of a core, and cores of one of several sockets, must be a power of two";
            return Some(reason.to_owned());
        }
        self.words
            .iter()
            .find(|word| word.register > 3)
            .map(|word| format!("CPUID has no register {}", word.register))
    }
}
