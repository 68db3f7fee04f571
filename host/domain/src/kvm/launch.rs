//! What a worker has on the host: directory, control socket, process, cgroup. Made in one go, and cleared whatever of it is there.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reeve_image::LuksKey;
use reeve_model::secret::SecretValue;
use reeve_sys::cgroup::{Cgroups, Group};
use reeve_sys::layout::DomainDirectory;
use reeve_sys::link::{Change, KernelLinks, LinkName, Links as _};
use reeve_sys::open;
use reeve_sys::process::{Process, Program};
use reeve_sys::tap::Tap;
use reeve_sys::{procfs, socket, tunnel};
use reeve_vmm::config::{BackingConfig, DeviceConfig, DeviceKind, FdIndex, VmConfig};
use reeve_vmm::protocol::MAX_FDS;
use rustix::pipe::PipeFlags;
use tracing::warn;
use uuid::Uuid;

use super::filesystems::{self, Shares};
use super::plan::{Plan, Source, Sources};
use super::{KvmConfig, images};
use crate::driver::DriverError;
use crate::record::WorkerProcess;

/// Where programs of the host connect to the guest, in the domain's directory.
pub(super) const VSOCK: &str = "vsock";
/// Name of the control socket in the domain's directory.
pub(super) const SOCKET: &str = "control";
/// The partition that its group is in, where that is not the host's own; in the domain's directory.
const PARTITION: &str = "partition";
/// What the worker writes to standard error.
const LOG: &str = "worker.log";
/// How long a killed process and its cgroup may take to go away.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the server of a tunnel may take to answer.
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes of the worker's log that go into a message.
const LOG_TAIL: usize = 300;

/// The place of one worker on the host.
#[derive(Clone)]
pub(super) struct Site {
    config: Arc<KvmConfig>,
    uuid: Uuid,
    process: Option<Arc<Process>>,
    shares: Shares,
}

impl Site {
    /// The place of a domain's worker, there or not.
    pub fn new(config: Arc<KvmConfig>, uuid: Uuid) -> Self {
        Self { config, uuid, process: None, shares: Shares::default() }
    }

    /// The process of the worker.
    pub fn process(&self) -> Result<Arc<Process>, DriverError> {
        self.process.clone().ok_or_else(|| DriverError::Lost("it has no process".to_owned()))
    }

    /// Where the control socket is.
    pub fn socket(&self) -> PathBuf {
        self.config.layout.run().join("domains").join(self.uuid.to_string()).join(SOCKET)
    }

    /// Takes a process by its pid alone; only for a worker that has just said its pid.
    pub fn find(&mut self, pid: u32) {
        let start_time = procfs::stat(pid).map(|stat| stat.start_time);
        self.process = start_time.and_then(|start_time| Process::find(pid, start_time)).map(Arc::new);
    }

    /// Takes the process of a record, if it is still that process.
    pub fn find_exactly(&mut self, recorded: WorkerProcess) -> Result<(), DriverError> {
        let WorkerProcess { pid, start_time } = recorded;
        self.process = Process::find(pid, start_time).map(Arc::new);
        self.process().map(drop).map_err(|_| DriverError::Lost(format!("its worker (pid {pid}) has ended")))
    }

    /// Connects to the control socket.
    pub async fn connect(&self) -> Result<UnixStream, DriverError> {
        let (config, name) = (self.config.clone(), self.uuid.to_string());
        blocking(move || {
            let connected = config.layout.find_domain_directory(&name).and_then(|dir| dir.connect(SOCKET));
            connected.map_err(|error| DriverError::Lost(format!("its socket is dead: {error}")))
        })
        .await
    }

    /// Opens every file and starts the worker, in its cgroup and with its limits. What was made before a failure is left to
    /// [`Site::clear`].
    pub async fn prepare(&mut self, plan: Plan) -> Result<(VmConfig, Vec<OwnedFd>, UnixStream), DriverError> {
        let mut site = self.clone();
        let passphrases = self.passphrases(&plan.sources).await?;
        let prepare = move || site.prepare_blocking(plan, &passphrases);
        let (vm, fds, stream, process) = blocking(prepare).await?;
        self.process = Some(process);
        Ok((vm, fds, stream))
    }

    /// What opens the encrypted images among these sources, in their order.
    pub async fn passphrases(&self, sources: &Sources) -> Result<Vec<SecretValue>, DriverError> {
        let mut found = Vec::new();
        for source in &sources.0 {
            if let Source::Key { what, secret, .. } = source {
                found.push(self.config.keys.passphrase(what, secret).await?);
            }
        }
        Ok(found)
    }

    fn prepare_blocking(
        &mut self,
        mut plan: Plan,
        passphrases: &[SecretValue],
    ) -> Result<(VmConfig, Vec<OwnedFd>, UnixStream, Arc<Process>), DriverError> {
        let name = self.uuid.to_string();
        // Sockets of devices may be in it.
        let directory = self.config.layout.domain_directory(&name).map_err(host("the domain's directory"))?;
        let group = self.group(plan.partition.as_deref(), &directory)?;
        let given =
            Given { passphrases, shares: self.start_shares(&plan.sources, &directory, group.as_ref())? };
        let fds = open_all(&plan.sources, &mut plan.vm.devices, given)?;
        let listener = directory.bind(SOCKET).map_err(host("the worker's control socket"))?;
        let log = directory.append(LOG).map_err(host("the worker's log"))?;
        let process = Process::spawn(&Program {
            path: &self.config.worker,
            args: Vec::new(),
            stderr: Some(log.as_fd()),
            fds: vec![listener.as_fd()],
        })
        .map_err(host("the worker"))?;
        let process = Arc::new(process);
        self.process = Some(process.clone());
        let settled = self.settle(&plan, group.as_ref(), &process);
        let connected =
            settled.and_then(|()| directory.connect(SOCKET).map_err(host("the control connection")));
        match connected {
            Ok(stream) => Ok((plan.vm, fds, stream, process)),
            Err(error) => {
                process.kill();
                process.wait(PATIENCE);
                process.reap();
                Err(error)
            }
        }
    }

    fn start_shares(
        &self,
        sources: &Sources,
        directory: &DomainDirectory,
        group: Option<&Group>,
    ) -> Result<Vec<OwnedFd>, DriverError> {
        let setting = self.config.virtiofsd.as_deref();
        let shares = sources.0.iter().filter_map(|source| match source {
            Source::Share(share) => Some(self.shares.start(share, setting, directory, group)),
            _ => None,
        });
        shares.collect()
    }

    fn settle(&self, plan: &Plan, group: Option<&Group>, process: &Process) -> Result<(), DriverError> {
        if let Some(group) = group {
            group.add(process.pid()).map_err(host("the domain's cgroup"))?;
        }
        if let Some(bytes) = plan.locked {
            process.allow_locked_memory(bytes).map_err(host("the limit of locked memory"))?;
        }
        Ok(())
    }

    fn group(
        &self,
        partition: Option<&str>,
        directory: &DomainDirectory,
    ) -> Result<Option<Group>, DriverError> {
        let Some(cgroups) = &self.config.cgroups else { return Ok(None) };
        let name = self.uuid.to_string();
        let made = match partition {
            None => cgroups.create(&name),
            Some(partition) => {
                let written =
                    directory.append(PARTITION).and_then(|mut file| file.write_all(partition.as_bytes()));
                written.map_err(host("the note of the domain's partition"))?;
                cgroups.in_partition(partition).and_then(|cgroups| cgroups.create(&name))
            }
        };
        made.map(Some).map_err(host("the domain's cgroup"))
    }

    /// Its cgroup, there or not.
    fn own_group(&self) -> Option<Group> {
        let (cgroups, name) = (self.config.cgroups.as_ref()?, self.uuid.to_string());
        let directory = self.config.layout.find_domain_directory(&name);
        let partition = directory.map(|directory| directory.text(PARTITION)).unwrap_or_default();
        Some(match partition.as_str() {
            "" => cgroups.group(&name),
            partition => cgroups.to_partition(partition).group(&name),
        })
    }

    /// Where groups are made.
    pub fn cgroups(&self) -> Option<&Cgroups> {
        self.config.cgroups.as_ref()
    }

    /// Its cgroup, if it is there.
    pub fn found_group(&self) -> Option<Group> {
        self.own_group().filter(|group| group.path().is_dir())
    }

    /// Ends the worker if it runs and removes all of it.
    pub async fn clear(&self) {
        let site = self.clone();
        let ended = blocking(move || {
            site.end_process();
            match site.config.layout.find_domain_directory(&site.uuid.to_string()) {
                Ok(directory) => site.shares.end(&directory).map_err(host("what is mounted for it")),
                Err(_) => Ok(()),
            }
        });
        let ended = ended.await;
        self.remove_group().await;
        if let Err(error) = ended {
            // What is still mounted in its directory is not to be removed with it.
            warn!(uuid = %self.uuid, %error, "a worker and what belongs to it could not be ended");
            return;
        }
        if let Err(error) = self.config.layout.remove_domain_directory(&self.uuid.to_string()) {
            warn!(uuid = %self.uuid, %error, "a domain's directory could not be removed");
        }
    }

    fn end_process(&self) {
        let Some(process) = &self.process else { return };
        if !process.has_ended() {
            process.kill();
        }
        if !process.wait(PATIENCE) {
            warn!(uuid = %self.uuid, pid = process.pid(), "a killed worker does not end");
        }
        process.reap();
    }

    /// A group stays busy for a moment after its last process has ended.
    async fn remove_group(&self) {
        let Some(group) = self.own_group() else { return };
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = group.remove() {
            if Instant::now() > deadline {
                warn!(uuid = %self.uuid, %error, "a cgroup could not be removed");
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A failure with what the worker wrote before it ended, where it did.
    pub fn explain(&self, error: DriverError) -> DriverError {
        let DriverError::Lost(sentence) = error else { return error };
        DriverError::Lost(self.with_log(sentence))
    }

    /// Kills who served the directory of a device that its guest has lost.
    pub fn kill_share(&self, alias: &str) {
        // Without the domain's directory there is nobody.
        if let Ok(directory) = self.config.layout.find_domain_directory(&self.uuid.to_string()) {
            filesystems::kill(&directory, alias);
        }
    }

    /// Keeps what those write who serve directories from filling the host.
    pub fn shorten_share_log(&self) {
        // Without the domain's directory there is no log; one that can't be shortened is tried again.
        if let Ok(directory) = self.config.layout.find_domain_directory(&self.uuid.to_string()) {
            let _ = filesystems::shorten_log(&directory);
        }
    }

    /// What the worker said of its machine, with the last words of who serves a directory and has ended.
    pub fn explain_shares(&self, message: String) -> String {
        let directory = self.config.layout.find_domain_directory(&self.uuid.to_string());
        let words = directory.map(|directory| self.shares.last_words(&directory)).unwrap_or_default();
        if words.is_empty() { message } else { format!("{message}; virtiofsd wrote: {words}") }
    }

    /// A sentence with the last words of the worker.
    pub fn with_log(&self, sentence: String) -> String {
        let directory = self.config.layout.find_domain_directory(&self.uuid.to_string());
        let text = directory.map(|directory| directory.text(LOG)).unwrap_or_default();
        let text = text.trim();
        if text.is_empty() {
            return sentence;
        }
        let start = text.ceil_char_boundary(text.len().saturating_sub(LOG_TAIL));
        format!("{sentence}; it wrote: {}", text[start..].replace('\n', " / "))
    }
}

/// What a worker gets besides what is opened for it, each in the order of its sources.
#[derive(Default)]
pub(super) struct Given<'a> {
    /// Passphrases of encrypted images.
    pub passphrases: &'a [SecretValue],
    /// Sockets of who serves directories.
    pub shares: Vec<OwnedFd>,
}

/// Opens what a worker gets. What is found below images comes last, and their devices are told.
pub(super) fn open_all(
    sources: &Sources,
    devices: &mut [DeviceConfig],
    given: Given<'_>,
) -> Result<Vec<OwnedFd>, DriverError> {
    let mut fds: Vec<OwnedFd> = Vec::new();
    let mut chains = Vec::new();
    let (mut passphrases, mut shares) = (given.passphrases.iter(), given.shares.into_iter());
    for (number, source) in (0..).zip(&sources.0) {
        if let Source::Key { what, path, image, .. } = source {
            let passphrase = passphrases.next().expect("there is a passphrase for every key");
            let key = images::unlock(what, path, &fds[image.0 as usize], passphrase)?;
            tell_payload(devices, FdIndex(number), key.payload());
            fds.push(key_pipe(&key).map_err(host("the key of an encrypted disk"))?);
            continue;
        }
        if let Source::Share(_) = source {
            fds.push(shares.next().expect("there is a socket for every directory"));
            continue;
        }
        if let Source::TapQueue { first } = source {
            fds.push(Tap::open_queue(&fds[first.0 as usize]).map_err(host("a network interface"))?);
            continue;
        }
        let (fd, below) = open_source(source)?;
        fds.push(fd);
        if !below.is_empty() {
            chains.push((FdIndex(number), below));
        }
    }
    for (image, below) in chains {
        let blocks = devices.iter_mut().filter_map(|device| match &mut device.kind {
            DeviceKind::Block(block) => Some(block),
            _ => None,
        });
        let Some(block) = blocks.into_iter().find(|block| block.fd == image) else { continue };
        for (fd, format) in below {
            block.backing.push(BackingConfig { fd: FdIndex(fds.len() as u32), format });
            fds.push(fd);
        }
    }
    if fds.len() > MAX_FDS {
        let sentence = format!(
            "its disks with their backing files, and the queues of its interfaces, are {} files, and a worker is given {MAX_FDS} at most; make the chains shorter, e.g. with 'reeve image rebase', or ask for fewer queues",
            fds.len()
        );
        return Err(DriverError::Unsupported(sentence));
    }
    Ok(fds)
}

/// Tells a disk where it begins in its image.
fn tell_payload(devices: &mut [DeviceConfig], key: FdIndex, payload: u64) {
    let encryptions = devices.iter_mut().filter_map(|device| match &mut device.kind {
        DeviceKind::Block(block) => block.encryption.as_mut(),
        _ => None,
    });
    for encryption in encryptions.filter(|encryption| encryption.key == key) {
        encryption.payload = payload;
    }
}

/// A pipe with a key in it: once it is read it is nowhere but where it was read to.
fn key_pipe(key: &LuksKey) -> io::Result<OwnedFd> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    // It is shorter than what a pipe holds.
    File::from(write).write_all(key.expose())?;
    Ok(read)
}

/// Opens a source, and what is below it where it is an image with backing files.
fn open_source(source: &Source) -> Result<(OwnedFd, Vec<images::Below>), DriverError> {
    let failed = |what: &str, path: &Path| {
        let (what, path) = (what.to_owned(), path.display().to_string());
        move |source| DriverError::Open { what, path, source }
    };
    let opened = match source {
        Source::Kvm => {
            let path = Path::new("/dev/kvm");
            open::character_device(path, true).map_err(failed("KVM device", path))
        }
        Source::Read { what, path } => open::read_only(path).map_err(failed(what, path)),
        Source::Random { path } => open::character_device(path, false).map_err(failed("rng source", path)),
        Source::Log { what, path } => open::append(path).map(OwnedFd::from).map_err(failed(what, path)),
        Source::Pipe { what, path } => open::pipe(path).map_err(failed(what, path)),
        Source::SocketListener { what, path } => socket::listen(path).map_err(failed(what, path)),
        Source::SocketPeer { what, path } => socket::connect(path).map_err(failed(what, path)),
        Source::TcpListener { what, address } => tunnel::server(*address).map_err(console(what)),
        Source::TcpPeer { what, address } => tunnel::client(*address, CONNECT).map_err(console(what)),
        Source::Tap { name, bridge, up, multi_queue } => {
            let open = if *multi_queue { Tap::open_multi_queue } else { Tap::open };
            let tap = open(name, bridge.as_deref()).map_err(host("a network interface"))?;
            with_link(tap, *up)
        }
        Source::PreparedTap { name, up } => {
            with_link(Tap::open_existing(name).map_err(host("a network interface"))?, *up)
        }
        Source::Macvtap { name } => {
            let name = LinkName::new(name.as_str()).map_err(host("a network interface"))?;
            Ok(Tap::open_macvtap(&name).map_err(host("a network interface"))?.fd)
        }
        Source::MulticastReceiver { group } => {
            tunnel::multicast_receiver(*group).map_err(host("a network interface"))
        }
        Source::MulticastSender { group } => {
            tunnel::multicast_sender(*group).map_err(host("a network interface"))
        }
        Source::TunnelServer { address } => tunnel::server(*address).map_err(host("a network interface")),
        Source::TunnelClient { address } => {
            tunnel::client(*address, CONNECT).map_err(host("a network interface"))
        }
        Source::Empty => open::empty().map_err(host("a drive without a medium")),
        Source::Key { .. } => unreachable!("a key is opened with its image"),
        Source::TapQueue { .. } => unreachable!("a queue is opened with its tap"),
        Source::Share(_) => unreachable!("a directory is served before anything is opened"),
        Source::Image { what, path, access, format } => {
            return images::open(what, path, *access, *format);
        }
    };
    Ok((opened?, Vec::new()))
}

/// Opening a tap set it up: a cable that is pulled is pulled on the host too.
fn with_link(tap: Tap, up: bool) -> Result<OwnedFd, DriverError> {
    if !up {
        set_link(&tap.name, up)?;
    }
    Ok(tap.fd)
}

/// Sets the host's end of an interface up or down.
pub(super) fn set_link(name: &str, up: bool) -> Result<(), DriverError> {
    let name = LinkName::new(name).map_err(host("a network interface"))?;
    KernelLinks
        .change(&name, if up { &Change::Up } else { &Change::Down })
        .map_err(host("a network interface"))
}

/// Runs what may block for moments.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DriverError> + Send + 'static,
) -> Result<T, DriverError> {
    let ended = |_| DriverError::Lost("the daemon is ending".to_owned());
    tokio::task::spawn_blocking(work).await.map_err(ended)?
}

fn console<E: std::error::Error + Send + Sync + 'static>(what: &str) -> impl FnOnce(E) -> DriverError {
    let what = format!("the socket of {what}");
    move |source| DriverError::Host { what, source: Box::new(source) }
}

fn host<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> DriverError {
    move |source| DriverError::Host { what: what.to_owned(), source: Box::new(source) }
}
