//! What the device targets share: a guest that means harm.

pub mod assault;
pub mod machine;
pub mod tap;
