//! Lines for the daemon's log, marked with the policy's name. Bytes per call are limited (16 KiB by default).

use crate::bindings::reeve::log::log::Level;

#[cfg(target_arch = "wasm32")]
use crate::bindings::reeve::log::log::write;

/// Remembers a line for the test.
#[cfg(not(target_arch = "wasm32"))]
fn write(level: Level, message: &str) {
    let level = match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    crate::testing::tell(|host| host.lines.push(format!("{level}: {message}")));
}

/// Every detail.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message.as_ref());
}

/// The normal course of things.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message.as_ref());
}

/// Something an operator should look at.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message.as_ref());
}

/// Something failed.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message.as_ref());
}
