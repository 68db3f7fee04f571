//! The walk of the contract on each kind of pool that runs here.

use reeve_model::storage::PoolKind;

use crate::bed::{Bed, MIB};
use crate::contract::walk;

#[test]
fn dir() {
    walk(&mut Bed::new(PoolKind::Dir, None, 0));
}

#[test]
fn fs_on_a_loop_device() {
    walk(&mut Bed::new(PoolKind::Fs, Some("ext4"), 128 * MIB));
}

#[test]
fn disk_with_gpt_on_a_loop_device() {
    walk(&mut Bed::new(PoolKind::Disk, Some("gpt"), 64 * MIB));
}

#[test]
fn disk_with_msdos_on_a_loop_device() {
    walk(&mut Bed::new(PoolKind::Disk, Some("dos"), 64 * MIB));
}
