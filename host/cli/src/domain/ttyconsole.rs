//! `reeve domain ttyconsole`: where on the host the console of a domain is, if anywhere.

use clap::Args;
use reeve_model::api::XmlOptions;
use reeve_model::domain::{CharDevice, DomainConfig};
use reeve_model::{Error, ErrorCode};
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve domain ttyconsole`.
#[derive(Debug, Args)]
#[command(after_help = "\
The place that the document gives the first console: a socket, a pipe or a file. A console of type pty has none: the worker keeps it to itself,
and `reeve domain console` is how it is reached.")]
pub struct Ttyconsole {
    #[command(flatten)]
    target: Target,
}

impl Ttyconsole {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = self.target.domain;
        let document = context.client.domain_xml(&domain, XmlOptions::default()).await?;
        let config = reeve_xml::domain::parse_kept(&document)?;
        let refuse = |message: String, hint: String| {
            let error = Error::new(ErrorCode::Unsupported, message).with_hint(hint);
            Err(reeve_client::ClientError::Refused(error).into())
        };
        let Some(console) = first(&config) else {
            let hint = "its document has no <console> and no <serial>".to_owned();
            return refuse(format!("domain '{domain}' has no console"), hint);
        };
        match place(console) {
            Some(place) => context.show(&Place(place)),
            None => {
                let hint = format!("'reeve domain console {domain}' connects to it");
                refuse(format!("the console of domain '{domain}' is at no place of the host"), hint)
            }
        }
    }
}

/// What is connected to where none is named: a serial console is the first serial port.
fn first(config: &DomainConfig) -> Option<&CharDevice> {
    let devices = &config.devices;
    let virtio = |console: &&CharDevice| console.target_type.as_deref() == Some("virtio");
    devices.consoles.first().filter(virtio).or(devices.serials.first()).or(devices.consoles.first())
}

fn place(console: &CharDevice) -> Option<String> {
    match console.kind.as_str() {
        "unix" | "file" | "pipe" => console.path.clone(),
        "tcp" => Some(format!("{}:{}", console.host.as_ref()?, console.service.as_ref()?)),
        _ => None,
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Place(String);

impl Show for Place {
    const ELEMENT: &'static str = "console";

    fn human(&self) -> String {
        self.0.clone()
    }
}
