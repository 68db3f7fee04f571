//! Lines for the daemon's log, marked with the policy's name. Bytes per call are limited (16 KiB by default).

use crate::bindings::reeve::log::log;

/// Every detail.
pub fn debug(message: impl AsRef<str>) {
    log::write(log::Level::Debug, message.as_ref());
}

/// The normal course of things.
pub fn info(message: impl AsRef<str>) {
    log::write(log::Level::Info, message.as_ref());
}

/// Something an operator should look at.
pub fn warn(message: impl AsRef<str>) {
    log::write(log::Level::Warn, message.as_ref());
}

/// Something failed.
pub fn error(message: impl AsRef<str>) {
    log::write(log::Level::Error, message.as_ref());
}
