//! One simulated machine.

use std::fs::File;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use reeve_model::domain::{Disk, DomainConfig, Interface, LifecycleAction};
use reeve_model::stats::{DiskStats, DomainStats, InterfaceStats, MemoryStats};
use reeve_model::tuning::{CpuStats, CpuTime, Tuning, VcpuInfo, VcpuState};
use reeve_model::{Bytes, CpuSet};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tracing::warn;

use super::clock::{Act, Alarm, Clock};
use super::script::Script;
use crate::driver::{Console, Device, DriverError, End, Machine, MachineEvent, SaveProgress};

/// Bytes a console holds in each direction.
const CONSOLE_BUFFER: usize = 4096;
/// The only CPU of the simulated host.
static HOST_CPU: LazyLock<CpuSet> = LazyLock::new(|| CpuSet::new([0]).expect("0 is a number of a CPU"));

pub(super) struct SimMachine {
    myself: Weak<Self>,
    config: Arc<DomainConfig>,
    script: Script,
    clock: Arc<Clock>,
    state: Mutex<State>,
}

struct State {
    /// None once the machine is gone.
    events: Option<mpsc::Sender<MachineEvent>>,
    boots: u32,
    activity: Activity,
    /// CPU time before `since`.
    used: Duration,
    /// Alarms that came while the vCPUs stood still.
    held: Vec<Act>,
    balloon: Balloon,
    /// vCPUs that are there.
    vcpus: u32,
    /// Whoever has the console open.
    console: Weak<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Activity {
    Stopped,
    Running { since: Duration },
    Halted,
    Suspended,
    Preserved,
}

/// A machine as it is saved.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    /// CPU time it used, in nanoseconds.
    used_ns: u64,
    /// Memory it had.
    memory: Bytes,
}

struct Balloon {
    from: Bytes,
    to: Bytes,
    reached: Duration,
}

impl SimMachine {
    pub fn new(
        config: Arc<DomainConfig>,
        script: Script,
        clock: Arc<Clock>,
        events: mpsc::Sender<MachineEvent>,
    ) -> Arc<Self> {
        let (memory, vcpus) = (config.current_memory, config.vcpu.at_boot());
        Arc::new_cyclic(|myself| Self {
            myself: myself.clone(),
            config,
            script,
            clock,
            state: Mutex::new(State {
                events: Some(events),
                boots: 0,
                activity: Activity::Stopped,
                used: Duration::ZERO,
                held: Vec::new(),
                balloon: Balloon { from: memory, to: memory, reached: Duration::ZERO },
                vcpus,
                console: Weak::new(),
            }),
        })
    }

    /// Power-on: every alarm of an earlier boot is void.
    pub fn boot(&self, running: bool) {
        self.boot_locked(&mut self.lock(), running);
    }

    /// Goes on where a machine was saved; its script begins anew.
    pub fn go_on_from(&self, saved: &Saved) {
        let mut state = self.lock();
        state.used = Duration::from_nanos(saved.used_ns);
        state.balloon = Balloon { from: saved.memory, to: saved.memory, reached: Duration::ZERO };
    }

    /// An alarm went off.
    pub fn rings(&self, boot: u32, act: Act) {
        let mut state = self.lock();
        if state.boots != boot || state.events.is_none() || state.activity == Activity::Preserved {
            return;
        }
        match state.activity {
            Activity::Stopped if act != Act::Vanish => state.held.push(act),
            _ => self.perform(&mut state, act),
        }
    }

    fn perform(&self, state: &mut State, act: Act) {
        match act {
            Act::PowerOff => self.guest_ends(state, End::PowerOff, self.config.on_poweroff),
            Act::Reboot => self.guest_ends(state, End::Reboot, self.config.on_reboot),
            Act::Crash => {
                let detail = "the script says so".to_owned();
                self.guest_ends(state, End::Crash { detail }, self.config.on_crash);
            }
            Act::Vanish => {
                self.stand_still(state, Activity::Preserved);
                tell(state, MachineEvent::Lost { detail: "the script says so".to_owned() });
            }
            Act::Suspend => {
                self.stand_still(state, Activity::Suspended);
                tell(state, MachineEvent::Suspended);
            }
            Act::Halt => {
                self.stand_still(state, Activity::Halted);
                tell(state, MachineEvent::Halted);
            }
        }
    }

    fn guest_ends(&self, state: &mut State, end: End, action: LifecycleAction) {
        use LifecycleAction as Do;
        match action {
            Do::Restart | Do::RenameRestart | Do::CoredumpRestart => {
                self.boot_locked(state, true);
                tell(state, MachineEvent::Restarted { after: end });
            }
            Do::Preserve => {
                self.stand_still(state, Activity::Preserved);
                tell(state, MachineEvent::Preserved { after: end });
            }
            Do::Destroy | Do::CoredumpDestroy => {
                self.stand_still(state, Activity::Preserved);
                tell(state, MachineEvent::Ended(end));
            }
        }
    }

    fn boot_locked(&self, state: &mut State, running: bool) {
        self.stand_still(state, Activity::Stopped);
        state.boots += 1;
        state.held.clear();
        if running {
            state.activity = Activity::Running { since: self.clock.now() };
        }
        let script = &self.script;
        let first = state.boots == 1;
        let plan = [
            (script.poweroff_after, Act::PowerOff),
            (script.reboot_after.filter(|_| first), Act::Reboot),
            (script.crash_after, Act::Crash),
            (script.lost_after, Act::Vanish),
            (script.suspend_after, Act::Suspend),
            (script.halt_after, Act::Halt),
        ];
        for (delay, act) in plan {
            if let Some(delay) = delay {
                self.alarm(state.boots, delay, act);
            }
        }
    }

    fn alarm(&self, boot: u32, delay: Duration, act: Act) {
        self.clock.alarm(delay, Alarm { machine: self.myself.clone(), boot, act });
    }

    fn stand_still(&self, state: &mut State, activity: Activity) {
        state.used = self.used(state);
        state.activity = activity;
    }

    fn used(&self, state: &State) -> Duration {
        let running = match state.activity {
            Activity::Running { since } => self.clock.now().saturating_sub(since),
            _ => Duration::ZERO,
        };
        state.used + running * self.script.cpu_percent / 100
    }

    fn run(&self, state: &mut State) {
        state.activity = Activity::Running { since: self.clock.now() };
        for act in std::mem::take(&mut state.held) {
            self.perform(state, act);
        }
    }

    fn alive(&self) -> Result<MutexGuard<'_, State>, DriverError> {
        let state = self.lock();
        match state.events {
            Some(_) => Ok(state),
            None => Err(DriverError::Lost("it has ended".to_owned())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(state: &State, event: MachineEvent) {
    if let Some(events) = &state.events
        && let Err(error) = events.try_send(event)
    {
        warn!(%error, "an event of a simulated machine is lost");
    }
}

#[async_trait]
impl Machine for SimMachine {
    async fn pause(&self) -> Result<(), DriverError> {
        let mut state = self.alive()?;
        self.stand_still(&mut state, Activity::Stopped);
        Ok(())
    }

    async fn resume(&self) -> Result<(), DriverError> {
        let mut state = self.alive()?;
        if state.activity == Activity::Stopped {
            self.run(&mut state);
        }
        Ok(())
    }

    async fn save(&self, mut image: File) -> Result<(), DriverError> {
        let mut state = self.alive()?;
        let saved = Saved {
            used_ns: u64::try_from(self.used(&state).as_nanos()).unwrap_or(u64::MAX),
            memory: state.balloon.at(self.clock.now()),
        };
        let written = serde_json::to_vec(&saved)
            .map_err(std::io::Error::other)
            .and_then(|saved| image.write_all(&saved));
        written.map_err(|error| DriverError::Worker(format!("it can't be written: {error}")))?;
        self.stand_still(&mut state, Activity::Stopped);
        Ok(())
    }

    async fn dump(&self, mut core: File, live: bool) -> Result<(), DriverError> {
        let mut state = self.alive()?;
        let written = writeln!(core, "a simulated machine has no memory");
        written.map_err(|error| DriverError::Worker(format!("it can't be written: {error}")))?;
        if !live && state.activity != Activity::Preserved {
            self.stand_still(&mut state, Activity::Stopped);
        }
        Ok(())
    }

    async fn save_progress(&self) -> Option<SaveProgress> {
        None
    }

    async fn cancel_save(&self) -> Result<(), DriverError> {
        Err(DriverError::Unsupported("a simulated machine is saved in no time".to_owned()))
    }

    async fn reset(&self) -> Result<(), DriverError> {
        let mut state = self.alive()?;
        let running = state.activity != Activity::Stopped;
        self.boot_locked(&mut state, running);
        Ok(())
    }

    async fn power_button(&self) -> Result<(), DriverError> {
        let state = self.alive()?;
        if let Some(delay) = self.script.shutdown {
            self.alarm(state.boots, delay, Act::PowerOff);
        }
        Ok(())
    }

    async fn wake(&self) -> Result<(), DriverError> {
        let mut state = self.alive()?;
        if matches!(state.activity, Activity::Suspended | Activity::Halted) {
            self.run(&mut state);
        }
        Ok(())
    }

    async fn quit(&self) -> Result<(), DriverError> {
        // Nothing of it could fail to end.
        self.destroy().await;
        Ok(())
    }

    async fn destroy(&self) {
        let mut state = self.lock();
        self.stand_still(&mut state, Activity::Preserved);
        state.events = None;
    }

    async fn set_balloon(&self, target: Bytes) -> Result<(), DriverError> {
        let mut state = self.alive()?;
        let now = self.clock.now();
        state.balloon =
            Balloon { from: state.balloon.at(now), to: target, reached: now + self.script.balloon };
        Ok(())
    }

    async fn set_stats_period(&self, _seconds: u32) -> Result<(), DriverError> {
        self.alive().map(drop)
    }

    async fn inject_nmi(&self) -> Result<(), DriverError> {
        self.alive().map(drop)
    }

    async fn set_vcpus(&self, count: u32) -> Result<(), DriverError> {
        self.alive()?.vcpus = count;
        Ok(())
    }

    async fn stats(&self) -> Result<DomainStats, DriverError> {
        let state = self.alive()?;
        let vcpu = u64::try_from(self.used(&state).as_nanos()).unwrap_or(u64::MAX);
        let vcpus = state.vcpus;
        let memory = state.balloon.at(self.clock.now());
        let devices = &self.config.devices;
        let disk = |target: &String| DiskStats { target: target.clone(), ..DiskStats::default() };
        let interface = |interface: &Interface| InterfaceStats {
            target: interface.target.clone().or_else(|| interface.common.alias.clone()).unwrap_or_default(),
            ..InterfaceStats::default()
        };
        Ok(DomainStats {
            cpu_time_ns: vcpu.saturating_mul(u64::from(vcpus)),
            vcpu_time_ns: vec![vcpu; vcpus as usize],
            resident: memory,
            balloon_current: memory,
            memory: MemoryStats::default(),
            exits: 0,
            disks: devices.disks.iter().map(|each| disk(&each.target)).collect(),
            interfaces: devices.interfaces.iter().map(interface).collect(),
        })
    }

    async fn tune(&self, _old: &DomainConfig, _new: &DomainConfig) -> Result<(), DriverError> {
        self.alive().map(drop)
    }

    async fn tuning(&self, config: &DomainConfig) -> Result<Tuning, DriverError> {
        drop(self.alive()?);
        Ok(Tuning::of(config, &HOST_CPU))
    }

    async fn vcpus(&self) -> Result<Vec<VcpuInfo>, DriverError> {
        let stats = self.stats().await?;
        let state = match self.alive()?.activity {
            Activity::Running { .. } => VcpuState::Running,
            _ => VcpuState::Blocked,
        };
        let info = |(vcpu, time_ns)| VcpuInfo { vcpu, cpu: 0, state, time_ns, affinity: HOST_CPU.clone() };
        Ok((0..).zip(stats.vcpu_time_ns).map(info).collect())
    }

    async fn cpu_stats(&self) -> Result<CpuStats, DriverError> {
        let used = self.stats().await?.cpu_time_ns;
        let time = CpuTime { cpu_time_ns: used, user_ns: used, system_ns: 0 };
        Ok(CpuStats { cpus: vec![time], total: time })
    }

    async fn open_console(&self, _alias: Option<&str>, exclusive: bool) -> Result<Console, DriverError> {
        let (ours, theirs) = tokio::io::duplex(CONSOLE_BUFFER);
        let open = Arc::new(());
        {
            let mut state = self.alive()?;
            if exclusive && state.console.upgrade().is_some() {
                return Err(DriverError::NotNow("somebody has its console open".to_owned()));
            }
            state.console = Arc::downgrade(&open);
        }
        let banner = format!("simulated console of {}\r\n", self.config.name);
        tokio::spawn(async move {
            let _open = open;
            let (mut from, mut to) = tokio::io::split(ours);
            if to.write_all(banner.as_bytes()).await.is_ok() {
                // It echoes until the other side closes; what then goes wrong concerns nobody.
                let _ = tokio::io::copy(&mut from, &mut to).await;
            }
        });
        Ok(Box::new(theirs))
    }

    async fn open_channel(&self, _name: &str) -> Result<Console, DriverError> {
        Err(DriverError::Unsupported("a simulated machine has no channels".to_owned()))
    }

    async fn attach_device(&self, _device: &Device) -> Result<(), DriverError> {
        self.alive().map(drop)
    }

    async fn detach_device(&self, _device: &Device) -> Result<(), DriverError> {
        self.alive().map(drop)
    }

    async fn remove_device(&self, _device: &Device) -> Result<(), DriverError> {
        self.alive().map(drop)
    }

    async fn update_device(&self, _old: &Device, _new: &Device) -> Result<(), DriverError> {
        self.alive().map(drop)
    }

    async fn resize_disk(&self, _disk: &Disk, _size: Bytes, _shrink: bool) -> Result<(), DriverError> {
        self.alive().map(drop)
    }
}

impl Balloon {
    fn at(&self, now: Duration) -> Bytes {
        if now >= self.reached { self.to } else { self.from }
    }
}
