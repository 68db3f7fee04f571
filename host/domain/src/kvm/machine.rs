//! One machine in a worker, as the domain sees it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reeve_model::Bytes;
use reeve_model::domain::DomainConfig;
use reeve_model::stats::{DiskStats, DomainStats, InterfaceStats};
use reeve_sys::process::Process;
use reeve_sys::procfs;
use reeve_vmm::protocol::{self, Answer, Call, Event, PauseReason, Status};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tracing::debug;

use super::client::{self, Client, News};
use super::devices;
use super::launch::{self, Site};
use super::plan::Sources;
use crate::driver::{Console, Device, DriverError, End, Machine, MachineEvent, Started, Vcpus};
use crate::record::WorkerProcess;

/// How long an orderly end may take before the worker is killed.
const GOODBYE: Duration = Duration::from_secs(2);
/// Events that may wait for the owner.
const EVENTS: usize = 16;

pub(super) struct KvmMachine {
    client: Client,
    process: Arc<Process>,
    site: Site,
    config: DomainConfig,
}

impl KvmMachine {
    /// The machine of a worker that was launched now or earlier.
    pub fn start(
        client: Client,
        process: Arc<Process>,
        site: Site,
        config: &DomainConfig,
        status: &Status,
    ) -> Started {
        let (sender, events) = mpsc::channel(EVENTS);
        if let Some(event) = missed(status) {
            // The channel is new and has room.
            let _ = sender.try_send(event);
        }
        if let Some(news) = client.news() {
            tokio::spawn(listen(news, sender, site.clone()));
        }
        let recorded = WorkerProcess { pid: process.pid(), start_time: process.start_time() };
        let vcpus = if *status == Status::Running { Vcpus::Running } else { Vcpus::Stopped };
        let socket = site.socket();
        let machine = Arc::new(Self { client, process, site, config: config.clone() });
        Started { machine, events, vcpus, process: Some(recorded), socket: Some(socket) }
    }

    async fn open(&self, call: Call) -> Result<UnixStream, DriverError> {
        let (_, fds) = self.client.call(call, Vec::new()).await?;
        let socket = fds
            .into_iter()
            .next()
            .ok_or_else(|| DriverError::Worker("its worker sent no socket".to_owned()))?;
        let stream = std::os::unix::net::UnixStream::from(socket);
        let broken =
            |error: std::io::Error| DriverError::Worker(format!("the console's socket is broken: {error}"));
        stream.set_nonblocking(true).map_err(broken)?;
        UnixStream::from_std(stream).map_err(broken)
    }
}

/// What happened while no daemon listened, as far as the state tells.
fn missed(status: &Status) -> Option<MachineEvent> {
    match status {
        Status::Ended { end } => ended(end.clone()).map(MachineEvent::Ended),
        Status::Paused { reason: PauseReason::Preserved { end } } => {
            ended(end.clone()).map(|after| MachineEvent::Preserved { after })
        }
        _ => None,
    }
}

fn ended(end: protocol::End) -> Option<End> {
    match end {
        protocol::End::PowerOff => Some(End::PowerOff),
        protocol::End::Reboot => Some(End::Reboot),
        protocol::End::Crash { reason } => Some(End::Crash { detail: reason }),
        protocol::End::Quit => None,
    }
}

/// Turns what the worker says into what it means for the domain.
async fn listen(mut news: mpsc::Receiver<News>, events: mpsc::Sender<MachineEvent>, site: Site) {
    // How the guest ended, until it is known what followed.
    let mut end: Option<End> = None;
    while let Some(item) = news.recv().await {
        let event = match item {
            News::Gone(sentence) => Some(MachineEvent::Lost { detail: site.with_log(sentence) }),
            News::Event(event) => match event {
                Event::GuestPowerOff => {
                    end = Some(End::PowerOff);
                    None
                }
                Event::GuestReboot => {
                    end = Some(End::Reboot);
                    None
                }
                Event::GuestCrash { reason } => {
                    end = Some(End::Crash { detail: reason });
                    None
                }
                Event::Reset => end.take().map(|after| MachineEvent::Restarted { after }),
                Event::Paused => end.take().map(|after| MachineEvent::Preserved { after }),
                Event::Ended { end } => ended(end).map(MachineEvent::Ended),
                Event::FirstOutput { after_us } => {
                    debug!(after_us, "the guest wrote its first byte");
                    None
                }
                Event::Resumed | Event::BalloonChanged { .. } => None,
            },
        };
        if let Some(event) = event
            && events.send(event).await.is_err()
        {
            return;
        }
    }
}

#[async_trait]
impl Machine for KvmMachine {
    async fn pause(&self) -> Result<(), DriverError> {
        self.client.ask(Call::Pause).await
    }

    async fn resume(&self) -> Result<(), DriverError> {
        self.client.ask(Call::Resume).await
    }

    async fn reset(&self) -> Result<(), DriverError> {
        self.client.ask(Call::Reset).await
    }

    async fn power_button(&self) -> Result<(), DriverError> {
        self.client.ask(Call::PowerButton).await
    }

    async fn wake(&self) -> Result<(), DriverError> {
        Err(DriverError::Unsupported("guests of the native driver do not suspend themselves".to_owned()))
    }

    async fn destroy(&self) {
        let goodbye = async {
            // A machine that has ended refuses to quit, and only then is released.
            let _ = self.client.ask(Call::Quit).await;
            if self.client.ask(Call::Release).await.is_ok() {
                client::ended(&self.process).await;
            }
        };
        // What does not end in time is killed by clear.
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        self.site.clear().await;
    }

    async fn set_balloon(&self, target: Bytes) -> Result<(), DriverError> {
        self.client.ask(Call::SetBalloon { bytes: target.0 }).await
    }

    async fn stats(&self) -> Result<DomainStats, DriverError> {
        match self.client.call(Call::Stats, Vec::new()).await? {
            (Answer::Stats(stats), _) => Ok(self.translate(*stats)),
            (other, _) => Err(DriverError::Worker(format!("its worker answers Stats with {other:?}"))),
        }
    }

    async fn open_console(&self, alias: Option<&str>) -> Result<Console, DriverError> {
        let alias = match alias {
            Some(alias) => devices::console_port(&self.config, alias),
            None => devices::first_console(&self.config)
                .ok_or_else(|| DriverError::Unsupported("it has no console and no serial port".to_owned()))?,
        };
        let stream = self.open(Call::OpenConsole { alias }).await?;
        Ok(Box::new(stream))
    }

    async fn attach_device(&self, device: &Device) -> Result<(), DriverError> {
        let mut sources = Sources::default();
        let made = match device {
            Device::Disk(disk) => devices::disk(disk, &mut sources),
            Device::Interface(interface) => devices::interface(interface, &mut sources),
            Device::Rng(rng) => devices::rng(rng, &mut sources),
            Device::Channel(_) | Device::Other(_) => {
                Err(format!("{} can't be plugged into a running machine", device.describe()))
            }
        };
        let made = made.map_err(DriverError::Unsupported)?;
        let fds = launch::blocking(move || sources.0.iter().map(launch::open_source).collect()).await?;
        self.client.call(Call::AttachDevice { device: made }, fds).await.map(drop)
    }

    async fn detach_device(&self, device: &Device) -> Result<(), DriverError> {
        let alias = device.alias().unwrap_or_default().to_owned();
        self.client.ask(Call::DetachDevice { alias }).await
    }
}

impl KvmMachine {
    fn translate(&self, stats: protocol::Stats) -> DomainStats {
        let devices = &self.config.devices;
        let disks = devices.disks.iter().map(|disk| (disk.common.alias.as_deref(), disk.target.as_str()));
        let taps = devices.interfaces.iter();
        let taps = taps.map(|tap| (tap.common.alias.as_deref(), tap.target.as_deref().unwrap_or_default()));
        let targets: HashMap<&str, &str> =
            disks.chain(taps).filter_map(|(alias, target)| Some((alias?, target))).collect();
        let target =
            |alias: String| targets.get(alias.as_str()).map_or(alias.clone(), |target| (*target).to_owned());
        let balloon = stats.balloon.map_or(self.config.memory.0, |balloon| balloon.actual);
        DomainStats {
            cpu_time_ns: stats.process_time_ns,
            vcpu_time_ns: stats.vcpus.iter().map(|vcpu| vcpu.time_ns).collect(),
            resident: procfs::resident(self.process.pid()).unwrap_or_default(),
            balloon_current: Bytes(balloon),
            exits: stats.vcpus.iter().map(|vcpu| vcpu.exits).sum(),
            disks: stats
                .disks
                .into_iter()
                .map(|disk| DiskStats {
                    target: target(disk.alias),
                    read_requests: disk.read_requests,
                    read_bytes: disk.read_bytes,
                    write_requests: disk.write_requests,
                    write_bytes: disk.write_bytes,
                    flush_requests: disk.flush_requests,
                    errors: disk.errors,
                })
                .collect(),
            interfaces: stats
                .interfaces
                .into_iter()
                .map(|tap| InterfaceStats {
                    target: target(tap.alias),
                    rx_packets: tap.rx_packets,
                    rx_bytes: tap.rx_bytes,
                    tx_packets: tap.tx_packets,
                    tx_bytes: tap.tx_bytes,
                    dropped: tap.dropped,
                })
                .collect(),
        }
    }
}
