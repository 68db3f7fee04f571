//! The only door to kernel and host programs besides KVM.
//!
//! Everything here is blocking and short: a file of sysfs, one system call, a process that is started. Where a caller wants to test
//! itself without the real thing, it hands in another directory ([`files::Tree`], [`cgroup::Cgroups::at`], [`layout::Layout`],
//! [`sysctl::Sysctls::at`]) or a fake ([`link::FakeLinks`], [`nft::FakeNft`], [`traffic::FakeTraffic`]).

pub mod block;
pub mod busy;
pub mod cgroup;
pub mod cpuid;
pub mod device;
pub mod file_system;
pub mod files;
pub mod handed;
pub mod layout;
pub mod link;
pub mod lock;
pub mod mount;
pub mod namespace;
mod netlink;
pub mod nft;
pub mod open;
pub mod packet;
pub mod process;
pub mod procfs;
pub mod sandbox;
pub mod socket;
pub mod sparse;
pub mod sysctl;
pub mod tap;
pub mod threads;
pub mod traffic;
pub mod tunnel;
pub mod whole;
pub mod zone;
