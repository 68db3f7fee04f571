//! `<sysinfo>` (guide 20.3): what a guest is told about its machine.

use serde::{Deserialize, Serialize};

use super::Extra;

/// `<sysinfo>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysInfo {
    /// `type`: `smbios`.
    pub kind: String,
    /// `<bios>`: vendor, version, date, release.
    #[serde(default)]
    pub bios: Vec<SysInfoEntry>,
    /// `<system>`: manufacturer, product, version, serial, uuid, sku, family.
    #[serde(default)]
    pub system: Vec<SysInfoEntry>,
    /// `<baseBoard>`, each: manufacturer, product, version, serial, asset, location.
    #[serde(default)]
    pub base_boards: Vec<Vec<SysInfoEntry>>,
    /// `<chassis>`: manufacturer, version, serial, asset, sku.
    #[serde(default)]
    pub chassis: Vec<SysInfoEntry>,
    /// Everything else under `<sysinfo>`.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<entry name='…'>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysInfoEntry {
    /// What it is.
    pub name: String,
    /// What it says.
    pub value: String,
}

impl SysInfo {
    /// Blocks by the name of their element, with the names of entries that they know.
    pub fn blocks(&self) -> impl Iterator<Item = (&'static str, &'static [&'static str], &[SysInfoEntry])> {
        const BIOS: &[&str] = &["vendor", "version", "date", "release"];
        const SYSTEM: &[&str] = &["manufacturer", "product", "version", "serial", "uuid", "sku", "family"];
        const BOARD: &[&str] = &["manufacturer", "product", "version", "serial", "asset", "location"];
        const CHASSIS: &[&str] = &["manufacturer", "version", "serial", "asset", "sku"];
        let boards = self.base_boards.iter().map(|board| ("baseBoard", BOARD, board.as_slice()));
        let first = [("bios", BIOS, self.bios.as_slice()), ("system", SYSTEM, self.system.as_slice())];
        let last = [("chassis", CHASSIS, self.chassis.as_slice())];
        first.into_iter().chain(boards).chain(last)
    }
}
