//! A guest that sends what it is told to, and a station at the other end of a cable on the same bridge.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reeve_model::MacAddress;
use reeve_model::api::ConsoleOptions;
use reeve_packets::Dhcp;
use reeve_sys::link::LinkName;
use reeve_sys::packet::PacketSocket;
use reeve_tests::wait;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
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
        static CALLS: AtomicU32 = AtomicU32::new(0);
        // A console says first what it said before: only what has this call's own number is an answer to it.
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let (begin, done) = (format!("begin-{call}"), format!("done-{call}"));
        let (client, options) = (lab.daemon.client(), ConsoleOptions::default());
        self.runtime.block_on(async {
            let mut console = client.console("web", &options).await?;
            let mut said = String::new();
            // It may have booted just now.
            let end = Instant::now() + PATIENCE;
            while !said.contains(&format!("ok pong {begin}")) {
                anyhow::ensure!(Instant::now() < end, "the guest says only '{said}'");
                console.write_all(format!("ping {begin}\n").as_bytes()).await?;
                said.push_str(&tokio::time::timeout(ANSWER, read(&mut console)).await.unwrap_or_default());
            }
            let mut commands: Vec<String> =
                frames.iter().map(|frame| format!("net raw {}", hex(frame))).collect();
            commands.push(format!("ping {done}"));
            console.write_all((commands.join("\n") + "\n").as_bytes()).await?;
            let answer = loop {
                let so_far = said.split(&format!("ok pong {begin}")).last().unwrap_or_default();
                if let Some((answer, _)) = so_far.split_once(&format!("ok pong {done}")) {
                    break answer.to_owned();
                }
                let more = tokio::time::timeout(PATIENCE, read(&mut console)).await.unwrap_or_default();
                anyhow::ensure!(!more.is_empty(), "the guest says only '{said}'");
                said.push_str(&more);
            };
            let sent = answer.matches("ok bytes=").count();
            anyhow::ensure!(sent == frames.len(), "the guest sent {sent} frames, it says '{answer}'");
            Ok(())
        })
    }

    /// What is heard before a mark; none without the mark.
    fn hears(&self, patience: Duration, mark: &[u8]) -> anyhow::Result<Option<Vec<Vec<u8>>>> {
        heard_before(&self.socket, patience, |frame| frame == mark)
    }
}

/// What a console says next; nothing where it ended.
async fn read(console: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = [0; 4096];
    let length = console.read(&mut bytes).await.unwrap_or(0);
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

pub fn hex(frame: &[u8]) -> String {
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
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
