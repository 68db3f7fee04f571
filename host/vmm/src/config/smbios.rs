//! What the guest is told about the machine it is in (SMBIOS; guide 20.3).

use serde::{Deserialize, Serialize};

/// Longest string, as SMBIOS 2 had it: guests keep no more.
const MAX_STRING: usize = 64;

/// SMBIOS of a machine. What is none is this machine's own word for it, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmbiosConfig {
    /// UUID of the system, in the order of its text.
    pub uuid: [u8; 16],
    /// BIOS.
    pub bios: BiosInfo,
    /// System.
    pub system: SystemInfo,
    /// Base board.
    pub board: BoardInfo,
    /// Chassis.
    pub chassis: ChassisInfo,
}

/// BIOS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BiosInfo {
    /// Vendor.
    pub vendor: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Date, `mm/dd/yyyy`.
    pub date: Option<String>,
    /// Release, major and minor.
    pub release: Option<(u8, u8)>,
}

/// System.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SystemInfo {
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Product.
    pub product: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Number in a catalogue.
    pub sku: Option<String>,
    /// Family.
    pub family: Option<String>,
}

/// Base board.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoardInfo {
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Product.
    pub product: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Asset tag.
    pub asset: Option<String>,
    /// Where it is in the chassis.
    pub location: Option<String>,
}

/// Chassis.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChassisInfo {
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Asset tag.
    pub asset: Option<String>,
    /// Number in a catalogue.
    pub sku: Option<String>,
}

impl SmbiosConfig {
    /// Why a guest can't be told this.
    pub(super) fn fault(&self) -> Option<String> {
        let Self { bios, system, board, chassis, .. } = self;
        let strings = [
            [&bios.vendor, &bios.version, &bios.date, &None, &None, &None],
            [
                &system.manufacturer,
                &system.product,
                &system.version,
                &system.serial,
                &system.sku,
                &system.family,
            ],
            [
                &board.manufacturer,
                &board.product,
                &board.version,
                &board.serial,
                &board.asset,
                &board.location,
            ],
            [&chassis.manufacturer, &chassis.version, &chassis.serial, &chassis.asset, &chassis.sku, &None],
        ];
        let bad = |text: &&String| {
            text.len() > MAX_STRING || text.bytes().any(|byte| !(b' '..=b'~').contains(&byte))
        };
        let found = strings.into_iter().flatten().filter_map(Option::as_ref).find(bad)?;
        Some(format!("'{found}' must be at most {MAX_STRING} printable ASCII characters"))
    }
}
