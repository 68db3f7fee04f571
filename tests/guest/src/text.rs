//! Words and numbers of command lines.

use alloc::format;
use alloc::string::String;
use core::str::SplitWhitespace;

/// The words of a command after its name.
pub struct Words<'a>(SplitWhitespace<'a>);

impl<'a> Words<'a> {
    /// Splits at blanks.
    pub fn new(line: &'a str) -> Self {
        Self(line.split_whitespace())
    }

    /// The next word.
    pub fn next(&mut self, name: &str) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| format!("{name} is missing"))
    }

    /// The next word as a number, decimal or 0x….
    pub fn number(&mut self, name: &str) -> Result<u64, String> {
        let word = self.next(name)?;
        number(word).ok_or_else(|| format!("{name} must be a number, not '{word}'"))
    }

    /// The next word as a number, or what to take if there is none.
    pub fn number_or(&mut self, name: &str, default: u64) -> Result<u64, String> {
        match self.0.clone().next() {
            Some(_) => self.number(name),
            None => Ok(default),
        }
    }

    /// The next word, if it is a number; otherwise it stays.
    pub fn leading_number(&mut self) -> Option<u64> {
        let found = number(self.0.clone().next()?)?;
        self.0.next();
        Some(found)
    }

    /// The next word as `on` or `off`.
    pub fn switch(&mut self) -> Result<bool, String> {
        match self.next("on or off")? {
            "on" => Ok(true),
            "off" => Ok(false),
            other => Err(format!("'{other}' is neither on nor off")),
        }
    }
}

fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

/// The value of a key in a line of JSON, wherever it is: a number or word as it stands, a text without its quotes.
pub fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let after = line.split_once(&format!("\"{key}\""))?.1.trim_start().strip_prefix(':')?.trim_start();
    match after.strip_prefix('"') {
        Some(text) => text.split('"').next(),
        None => after.split([',', '}', ']', ' ']).next(),
    }
}

/// FNV-1a with 64 bits, the checksum of `disk sum`; start with `FNV_START`.
pub fn fnv1a(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Checksum of nothing.
pub const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
