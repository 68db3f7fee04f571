//! `reeve nodedev …` (guide 14.7.10, 14.7.11): devices of the host.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use reeve_client::ClientError;
use reeve_model::node_device::{NodeCapability, NodeDevice};
use reeve_model::{Error, ErrorCode};
use serde::Serialize;

use crate::context::Context;
use crate::output::Show;

/// What can be seen of devices of the host.
#[derive(Debug, Subcommand)]
pub enum NodeDeviceCommand {
    /// List devices of the host
    #[command(visible_alias = "ls")]
    List(List),
    /// Print what a device is as a document
    #[command(visible_alias = "dumpxml")]
    Xml(Xml),
}

impl NodeDeviceCommand {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Xml(command) => command.run(context).await,
        }
    }
}

/// Options of `reeve nodedev list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Capabilities: system, pci, usb_device, usb, net, storage, scsi_host, scsi, fc_host, vports.

Examples:
  reeve nodedev list --cap pci
  reeve nodedev list --cap net,storage
  reeve nodedev list --tree")]
pub struct List {
    /// Only those with one of these capabilities
    #[arg(value_name = "CAPABILITIES", value_delimiter = ',')]
    wanted: Vec<String>,
    /// The same as the argument
    #[arg(long, value_name = "CAPABILITIES", value_delimiter = ',', conflicts_with = "wanted")]
    cap: Vec<String>,
    /// Show which device is on which
    #[arg(long, conflicts_with_all = ["wanted", "cap"])]
    tree: bool,
}

impl List {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let wanted = if self.cap.is_empty() { self.wanted } else { self.cap };
        if let Some(unknown) = wanted.iter().find(|name| !NodeCapability::NAMES.contains(&name.as_str())) {
            let message = format!("there is no capability '{unknown}'");
            let hint = format!("there are {}", NodeCapability::NAMES.join(", "));
            return Err(ClientError::Refused(Error::new(ErrorCode::Invalid, message).with_hint(hint)).into());
        }
        let mut devices = context.client.node_devices().await?;
        if self.tree {
            return context.print(&tree(&devices));
        }
        let has = |device: &NodeDevice| {
            device.capability.names().iter().any(|name| wanted.iter().any(|wanted| wanted == name))
        };
        devices.retain(|device| wanted.is_empty() || has(device));
        context.show(&Devices(devices))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Devices(Vec<NodeDevice>);

impl Show for Devices {
    const ELEMENT: &'static str = "devices";

    fn human(&self) -> String {
        self.0.iter().map(|device| device.name.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// Devices below those that they are on.
fn tree(devices: &[NodeDevice]) -> String {
    let mut text = String::new();
    for root in devices.iter().filter(|device| device.parent.is_none()) {
        text.push_str(&root.name);
        text.push('\n');
        draw(devices, root, "", &mut text);
    }
    text.trim_end().to_owned()
}

fn draw(devices: &[NodeDevice], above: &NodeDevice, indent: &str, text: &mut String) {
    let children: Vec<_> =
        devices.iter().filter(|device| device.parent.as_ref() == Some(&above.name)).collect();
    let Some(last) = children.last() else { return };
    writeln!(text, "{indent}  |").expect("writing to a string cannot fail");
    for child in &children {
        writeln!(text, "{indent}  +- {}", child.name).expect("writing to a string cannot fail");
        let line = if std::ptr::eq(*child, *last) { ' ' } else { '|' };
        draw(devices, child, &format!("{indent}  {line}   "), text);
    }
}

/// Options of `reeve nodedev xml`.
#[derive(Debug, Args)]
pub struct Xml {
    /// Its name, or the two names of a port of Fibre Channel as WWNN,WWPN
    device: String,
}

impl Xml {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let xml = context.client.node_device_xml(&self.device).await?;
        context.show(&Document { xml })
    }
}

#[derive(Serialize)]
struct Document {
    xml: String,
}

impl Show for Document {
    const ELEMENT: &'static str = "document";

    fn human(&self) -> String {
        self.xml.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_the_guide() {
        let device = |name: &str, parent: Option<&str>| NodeDevice {
            name: name.to_owned(),
            path: None,
            parent: parent.map(str::to_owned),
            driver: None,
            capability: NodeCapability::Usb { number: 0, class: 0, subclass: 0, protocol: 0 },
        };
        let top = Some("computer");
        let devices = [
            device("computer", None),
            device("net_eth0_f0_de_f1_3a_35_4f", Some("pci_0000_00_19_0")),
            device("net_lo_00_00_00_00_00_00", top),
            device("net_tun0", top),
            device("pci_0000_00_16_0", top),
            device("pci_0000_00_19_0", top),
            device("usb_usb1", top),
        ];
        let shown = tree(&devices);
        let words: Vec<&str> = shown.split_whitespace().collect();
        let printed = "computer | +- net_lo_00_00_00_00_00_00 +- net_tun0 +- pci_0000_00_16_0 +- pci_0000_00_19_0 \
                       | | | +- net_eth0_f0_de_f1_3a_35_4f +- usb_usb1";
        assert_eq!(words.join(" "), printed, "{shown}");
    }
}
