//! MAC addresses, as the model has them.

pub use reeve_model::mac_address::{BadMac as MacError, MacAddress as Mac};
