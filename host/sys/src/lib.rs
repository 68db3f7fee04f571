//! The only door to kernel and host programs besides KVM.
