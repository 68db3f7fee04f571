//! What targets share: a guest that means harm, and a peer that does.

pub mod assault;
pub mod damage;
pub mod frames;
pub mod kvm;
pub mod machine;
pub mod tap;
