//! Answers as they come, before they are anything of ours.

use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Info {
    pub version: String,
    pub supported_commands: Vec<Supported>,
}

#[derive(Deserialize)]
pub(crate) struct Supported {
    pub name: String,
    pub enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Filesystem {
    pub name: String,
    pub mountpoint: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub used_bytes: Option<u64>,
    pub total_bytes: Option<u64>,
    #[serde(default)]
    pub disk: Vec<Disk>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Disk {
    pub pci_controller: PciAddress,
    pub serial: Option<String>,
}

/// Numbers are negative where the guest does not know them.
#[derive(Deserialize)]
pub(crate) struct PciAddress {
    pub domain: i64,
    pub bus: i64,
    pub slot: i64,
    pub function: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Interface {
    pub name: String,
    pub hardware_address: Option<String>,
    #[serde(default)]
    pub ip_addresses: Vec<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Address {
    pub ip_address: String,
    pub prefix: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Vcpu {
    pub logical_id: u32,
    pub online: bool,
    #[serde(default)]
    pub can_offline: bool,
}

#[derive(Deserialize)]
pub(crate) struct Trim {
    pub paths: Vec<TrimPath>,
}

#[derive(Deserialize)]
pub(crate) struct TrimPath {
    pub path: String,
    pub trimmed: Option<u64>,
    pub error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct OsInfo {
    pub id: Option<String>,
    pub pretty_name: Option<String>,
    pub version_id: Option<String>,
    pub kernel_release: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct HostName {
    pub host_name: String,
}

#[derive(Deserialize)]
pub(crate) struct Pid {
    pub pid: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ExecStatus {
    pub exited: bool,
    pub exitcode: Option<i64>,
    pub signal: Option<i64>,
    pub out_data: Option<String>,
    pub err_data: Option<String>,
    #[serde(default)]
    pub out_truncated: bool,
    #[serde(default)]
    pub err_truncated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ReadPiece {
    pub buf_b64: String,
    pub eof: bool,
}

#[derive(Deserialize)]
pub(crate) struct Written {
    pub count: u64,
}
