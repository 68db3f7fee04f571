//! A guest that sends what it is told to, and a station at the other end of a cable on the same bridge.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use reeve_model::MacAddress;
use reeve_model::api::ConsoleOptions;
use reeve_packets::Dhcp;
use reeve_sys::link::LinkName;
use reeve_sys::packet::PacketSocket;
use reeve_tests::wait;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

/// The guest.
pub const GUEST: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 0x07]);
/// The station.
pub const STATION: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 0x99]);

/// How long the guest may take for an answer before it is asked again whether it is there.
const ANSWER: Duration = Duration::from_millis(300);

/// The other end of the cable.
pub struct Station {
    socket: PacketSocket,
    runtime: Runtime,
}

impl Station {
    /// Lays a cable to a bridge and waits until frames of the domain `web` come through.
    pub fn on(lab: &Lab, bridge: &str) -> anyhow::Result<Self> {
        for words in [
            &["link", "add", "cable", "type", "veth", "peer", "name", "station"][..],
            &["link", "set", "station", "address", &STATION.to_string(), "up"],
            &["link", "set", "cable", "master", bridge, "up"],
        ] {
            lab.inside(&[&["ip"], words].concat())?;
        }
        forwards(lab)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let station = Self { socket: listen(lab, "station")?, runtime };
        station.hears_the_guest(lab)?;
        Ok(station)
    }

    /// Lays the cable to another bridge.
    pub fn move_to(&self, lab: &Lab, bridge: &str) -> Outcome {
        lab.inside(&["ip", "link", "set", "cable", "master", bridge])?;
        forwards(lab)?;
        self.hears_the_guest(lab)
    }

    fn hears_the_guest(&self, lab: &Lab) -> Outcome {
        let mark = Dhcp::discover(GUEST).from_client();
        wait::until("the guest is heard", PATIENCE, || {
            self.guest_sends(lab, &[&mark]).is_ok()
                && self.hears(Duration::from_millis(200), &mark).is_ok_and(|heard| heard.is_some())
        })
    }

    /// Sends a frame to the bridge.
    pub fn send(&self, frame: &[u8]) -> Outcome {
        Ok(self.socket.send(frame)?)
    }

    /// Lets the guest send frames, and says which of them arrive here.
    pub fn arrive(&self, lab: &Lab, frames: &[&[u8]]) -> anyhow::Result<Vec<bool>> {
        // What comes late of an earlier call is not of this one.
        while self.socket.receive(Duration::ZERO)?.is_some() {}
        // A request for an address passes always, and marks the end.
        let mark = Dhcp::discover(GUEST).from_client();
        self.guest_sends(lab, &[frames, &[&mark]].concat())?;
        let before = self.hears(PATIENCE, &mark)?.context("the mark does not arrive")?;
        Ok(frames.iter().map(|frame| before.iter().any(|heard| heard == frame)).collect())
    }

    /// Lets the guest send frames until those arrive that should, and no other.
    pub fn settles(&self, lab: &Lab, frames: &[&[u8]], wanted: &[bool]) -> Outcome {
        let (mut last, end) = (Vec::new(), Instant::now() + PATIENCE);
        while last != wanted {
            anyhow::ensure!(Instant::now() < end, "of the guest's frames arrive {last:?}, not {wanted:?}");
            last = self.arrive(lab, frames)?;
        }
        Ok(())
    }

    /// Lets the guest send frames.
    pub fn guest_sends(&self, lab: &Lab, frames: &[&[u8]]) -> Outcome {
        let (client, options) = (lab.daemon.client(), ConsoleOptions { device: None });
        self.runtime.block_on(async {
            let mut console = client.console("web", &options).await?;
            let mut said = String::new();
            // It may have booted just now.
            let end = Instant::now() + PATIENCE;
            while !said.contains("ok pong") {
                anyhow::ensure!(Instant::now() < end, "the guest says only '{said}'");
                console.write_all(b"ping\n").await?;
                let mut bytes = [0; 4096];
                if let Ok(read) = tokio::time::timeout(ANSWER, console.read(&mut bytes)).await {
                    said.push_str(&String::from_utf8_lossy(&bytes[..read?]));
                }
            }
            for frame in frames {
                let digits: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
                console.write_all(format!("net raw {digits}\n").as_bytes()).await?;
            }
            said.clear();
            while said.matches("ok bytes=").count() < frames.len() {
                let mut bytes = [0; 4096];
                let read = tokio::time::timeout(PATIENCE, console.read(&mut bytes)).await;
                let length = read.with_context(|| format!("the guest says only '{said}'"))??;
                anyhow::ensure!(length > 0, "the console ended");
                said.push_str(&String::from_utf8_lossy(&bytes[..length]));
                anyhow::ensure!(!said.contains("error"), "the guest says '{said}'");
            }
            Ok(())
        })
    }

    /// What is heard before a mark; none without the mark.
    fn hears(&self, patience: Duration, mark: &[u8]) -> anyhow::Result<Option<Vec<Vec<u8>>>> {
        heard_before(&self.socket, patience, |frame| frame == mark)
    }
}

/// Waits until the cable carries frames.
fn forwards(lab: &Lab) -> Outcome {
    wait::until("the cable carries frames", PATIENCE, || {
        let shown = lab.inside(&["ip", "-j", "-d", "link", "show", "dev", "cable"]).unwrap_or_default();
        let shown: Value = serde_json::from_str(&shown).unwrap_or_default();
        shown[0]["operstate"] == "UP" && shown[0]["linkinfo"]["info_slave_data"]["state"] == "forwarding"
    })
}

/// Hears the frames of a link of the lab.
pub fn listen(lab: &Lab, link: &str) -> anyhow::Result<PacketSocket> {
    let name = LinkName::new(link)?;
    Ok(lab.within(|| PacketSocket::open(&name, None))??)
}

/// The frames before the one that is waited for; none when it does not come.
pub fn heard_before(
    socket: &PacketSocket,
    patience: Duration,
    is_end: impl Fn(&[u8]) -> bool,
) -> anyhow::Result<Option<Vec<Vec<u8>>>> {
    let (mut heard, end) = (Vec::new(), Instant::now() + patience);
    while let Some(frame) = socket.receive(end.saturating_duration_since(Instant::now()))? {
        if is_end(&frame.bytes) {
            return Ok(Some(heard));
        }
        heard.push(frame.bytes);
    }
    Ok(None)
}
