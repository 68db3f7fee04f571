//! CPU, memory and block I/O of domains are tuned: the definition, the running machine, or both (guide 14.7.2, 14.13, 14.19 - 14.21).
//!
//! Guards of `domain-define` are asked about a changed definition, and may rewrite it; a change of the running machine alone is asked of
//! nobody.

use std::sync::Arc;

use reeve_domain::Request;
use reeve_model::api::DomainControl;
use reeve_model::domain::{DomainConfig, DomainType};
use reeve_model::tuning::{CpuStats, TuneOptions, Tuning, VcpuInfo};
use reeve_model::{Actor, Bytes, CpuSet, Error, ErrorCode, Verb};
use reeve_sys::threads::online_cpus;

use super::settings_change::LiveSettings;
use super::{Attachment, Subject, define};
use crate::Actions;
use crate::error::explain;

/// Most block devices in one change.
const MAX_DEVICES: usize = 256;

impl Actions {
    /// What a domain is tuned to: of the running machine as its host says, else of the definition.
    pub async fn tuning(&self, actor: &Actor, key: &str, options: TuneOptions) -> Result<Tuning, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let (live, _) = self.scope(&subject, Attachment::of(options.live, options.config))?;
        match live {
            true => self.domains.tuning(subject.uuid).await.map_err(explain),
            false => self.defined_tuning(&subject),
        }
    }

    /// vCPUs of a running domain.
    pub async fn vcpus(&self, actor: &Actor, key: &str) -> Result<Vec<VcpuInfo>, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        self.domains.vcpus(subject.uuid).await.map_err(explain)
    }

    /// Whether a running domain can be controlled now.
    pub async fn control(&self, actor: &Actor, key: &str) -> Result<DomainControl, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        self.domains.control(subject.uuid).await.map_err(explain)
    }

    /// CPU time of a running domain by host CPU.
    pub async fn cpu_stats(&self, actor: &Actor, key: &str) -> Result<CpuStats, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        self.domains.cpu_stats(subject.uuid).await.map_err(explain)
    }

    /// Changes what a domain is tuned to; what it is afterwards, of the running machine where that was changed.
    pub async fn tune(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        change: Tuning,
        options: TuneOptions,
    ) -> Result<Tuning, Error> {
        let subject = self.subject(actor, Verb::DomainConfigure, key)?;
        if change.current_memory == Some(Bytes(0)) {
            let message = format!("domain '{}' can't live with no memory", subject.name);
            return Err(Error::new(ErrorCode::Invalid, message).with_hint("give it a size, e.g. 256MiB"));
        }
        let pins = change.vcpu_pins.len().max(change.iothread_pins.len());
        if pins > DomainConfig::MAX_VCPUS as usize || change.block.devices.len() > MAX_DEVICES {
            let message = format!(
                "domain '{}' can't be tuned so: there are more than {} pins or {MAX_DEVICES} devices",
                subject.name,
                DomainConfig::MAX_VCPUS
            );
            return Err(Error::new(ErrorCode::Invalid, message));
        }
        Box::pin(self.tune_subject(actor, &subject, change, options)).await
    }

    async fn tune_subject(
        self: &Arc<Self>,
        actor: &Actor,
        subject: &Subject,
        change: Tuning,
        options: TuneOptions,
    ) -> Result<Tuning, Error> {
        let (live, _) = self.scope(subject, Attachment::of(options.live, options.config))?;
        let request = if live { Request::Tune } else { Request::Configure };
        let has_parts = |config: &DomainConfig| {
            known_memory(config, &change).and_then(|()| iothreads_that_may(config, &change))
        };
        self.permits(subject, request)?;
        let turn = self.turn(actor, subject.uuid, request).await?;
        let (live, config) = self.scope(subject, Attachment::of(options.live, options.config))?;
        let snapshot = self.domains.snapshot(subject.uuid).map_err(explain)?;
        refuse_missing_cpus(&snapshot.config, &change)?;
        if live {
            has_parts(&snapshot.config)?;
            refuse_live(&snapshot.config, &change)?;
        }
        let apply = |definition: &mut DomainConfig| {
            has_parts(definition)?;
            change.apply(definition);
            Ok(())
        };
        let definition = if config { self.plan_definition(actor, &snapshot, apply).await? } else { None };
        let machine = live.then(|| LiveSettings::Tuning(Box::new(change.clone())));
        self.change_settings(actor, turn, definition, machine).await?;
        match live {
            true => self.domains.tuning(subject.uuid).await.map_err(explain),
            false => self.defined_tuning(subject),
        }
    }

    fn defined_tuning(&self, subject: &Subject) -> Result<Tuning, Error> {
        let definition = self.domains.definition(subject.uuid).map_err(explain)?;
        let config = definition.ok_or_else(|| {
            let message = format!("domain '{}' is transient: it has no definition", subject.name);
            Error::new(ErrorCode::WrongState, message).with_hint("look at the running machine instead")
        })?;
        Ok(Tuning::of(&config, &online_cpus()))
    }
}

/// Refuses to pin to CPUs that the host does not have, as virsh does: the kernel would leave them out without a word. A document may name
/// them, for it may be another host's too.
fn refuse_missing_cpus(config: &DomainConfig, change: &Tuning) -> Result<(), Error> {
    if config.domain_type == DomainType::Sim {
        return Ok(());
    }
    let host = online_cpus();
    let vcpus = change.vcpu_pins.iter().map(|pin| (format!("vCPU {}", pin.vcpu), &pin.cpuset));
    let iothreads = change.iothread_pins.iter();
    let iothreads = iothreads.map(|pin| (format!("I/O thread {}", pin.iothread), &pin.cpuset));
    let emulator = change.emulator_pin.iter().map(|set| ("the emulator".to_owned(), set));
    for (what, set) in vcpus.chain(iothreads).chain(emulator) {
        let Some(missing) = CpuSet::new(set.iter().filter(|cpu| !host.contains(*cpu))) else { continue };
        let message = format!(
            "{what} of domain '{}' can't be pinned to host CPUs {set}: this host has {host}, and no {missing}",
            config.name
        );
        let hint = "name CPUs that run here: 'reeve node cpumap' shows them";
        return Err(Error::new(ErrorCode::Invalid, message).with_hint(hint));
    }
    Ok(())
}

/// Refuses to change memory that a configuration has not.
fn known_memory(config: &DomainConfig, change: &Tuning) -> Result<(), Error> {
    let memories = config.devices.memories.len();
    match change.plugged.iter().find(|memory| memory.number as usize >= memories) {
        Some(memory) => {
            let (name, number) = (&config.name, memory.number);
            let message = format!("domain '{name}' has no memory {number} to plug: it has {memories}");
            let hint = "its document says what can be plugged: <memory model='virtio-mem'>";
            Err(Error::new(ErrorCode::NotFound, message).with_hint(hint))
        }
        None => Ok(()),
    }
}

/// Refuses to add I/O threads that are there, and to take away those that are not there or serve a disk.
fn iothreads_that_may(config: &DomainConfig, change: &Tuning) -> Result<(), Error> {
    let (name, threads) = (&config.name, &config.iothreads);
    if let Some(id) = change.iothreads_added.iter().find(|id| threads.has(**id)) {
        let message = format!("domain '{name}' has I/O thread {id} already");
        return Err(Error::new(ErrorCode::AlreadyExists, message).with_hint("choose another number"));
    }
    for id in &change.iothreads_removed {
        if !threads.has(*id) {
            let message = format!("domain '{name}' has no I/O thread {id}");
            let hint = format!("'reeve domain iothreadinfo {name}' shows those it has");
            return Err(Error::new(ErrorCode::NotFound, message).with_hint(hint));
        }
        if let Some(target) = config.on_iothread(*id) {
            let message = format!("I/O thread {id} of domain '{name}' serves disk '{target}'");
            let hint = "detach the disk, or put it on another I/O thread, first";
            return Err(Error::new(ErrorCode::WrongState, message).with_hint(hint));
        }
    }
    Ok(())
}

/// Refuses what a machine is built with, and what would break a rule of its document.
fn refuse_live(config: &DomainConfig, change: &Tuning) -> Result<(), Error> {
    let name = &config.name;
    let refuse = |code, sentence: String| {
        let hint = "change the definition with --config: it holds from the next start on";
        Err(Error::new(code, sentence).with_hint(hint))
    };
    if change.max_memory.is_some() {
        let sentence = format!("the maximum memory of domain '{name}' can't be changed while it runs");
        return refuse(ErrorCode::Unsupported, sentence);
    }
    if change.max_vcpus.is_some() {
        let sentence = format!("the maximum of vCPUs of domain '{name}' is a matter of its definition");
        return refuse(ErrorCode::Invalid, sentence);
    }
    let mut whole = config.clone();
    change.apply(&mut whole);
    define::check(&whole)?;
    let present = whole.vcpu.at_boot();
    if let Some(pin) = change.vcpu_pins.iter().find(|pin| pin.vcpu >= present) {
        let sentence = format!("domain '{name}' runs without vCPU {}: it has {present}", pin.vcpu);
        return refuse(ErrorCode::WrongState, sentence);
    }
    let (old, new) = (&config.numatune, &whole.numatune);
    if old.strictness() != new.strictness() {
        let sentence = format!(
            "domain '{name}' runs with memory bound '{}'; that can't be changed to '{}' while it runs",
            old.strictness(),
            new.strictness()
        );
        return refuse(ErrorCode::Unsupported, sentence);
    }
    if old.nodeset != new.nodeset && new.strictness() != "strict" {
        let sentence = format!(
            "NUMA nodes of domain '{name}' can't be changed while it runs: its memory is bound '{}', not 'strict'",
            new.strictness()
        );
        return refuse(ErrorCode::Unsupported, sentence);
    }
    Ok(())
}
