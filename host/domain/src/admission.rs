//! Which request may change a domain now, which waits and which is refused. Pure: it knows tickets, not tasks.
//!
//! One request runs at a time. The others wait in order, except that a destroy goes to the front and drops what would be pointless
//! after it. The same request twice is refused rather than queued: the second caller would find nothing to do.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What somebody wants to do to a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// Replace the definition.
    Define,
    /// Remove the definition.
    Undefine,
    /// Start it.
    Start,
    /// Ask the guest to shut down.
    Shutdown,
    /// Ask the guest to reboot.
    Reboot,
    /// Press the reset button.
    Reset,
    /// Save its state to a file and stop it.
    Save,
    /// Write its memory to a file.
    Dump,
    /// Stop by force.
    Destroy,
    /// Stop the vCPUs.
    Suspend,
    /// Let them run again.
    Resume,
    /// Wake a guest that suspended itself.
    Wake,
    /// Change the balloon.
    SetMemory,
    /// Change CPU, memory and block I/O tuning.
    Tune,
    /// Plug a device.
    AttachDevice,
    /// Unplug a device.
    DetachDevice,
    /// Change a device.
    UpdateDevice,
    /// Give a job on images another speed, or end it.
    SteerJob,
    /// Let the image that a job has filled take the place of a disk's.
    PivotJob,
    /// Move it to another host.
    Migrate,
    /// Change a setting of the definition, e.g. autostart.
    Configure,
}

impl Request {
    /// Every request.
    pub const ALL: [Self; 21] = [
        Self::Define,
        Self::Undefine,
        Self::Start,
        Self::Shutdown,
        Self::Reboot,
        Self::Reset,
        Self::Save,
        Self::Dump,
        Self::Destroy,
        Self::Suspend,
        Self::Resume,
        Self::Wake,
        Self::SetMemory,
        Self::Tune,
        Self::AttachDevice,
        Self::DetachDevice,
        Self::UpdateDevice,
        Self::SteerJob,
        Self::PivotJob,
        Self::Migrate,
        Self::Configure,
    ];

    /// What is going on while it runs: "domain 'web' is being …".
    pub fn participle(self) -> &'static str {
        match self {
            Self::Define => "defined",
            Self::Undefine => "undefined",
            Self::Start => "started",
            Self::Shutdown => "shut down",
            Self::Reboot => "rebooted",
            Self::Reset => "reset",
            Self::Save => "saved",
            Self::Dump => "dumped",
            Self::Destroy => "destroyed",
            Self::Suspend => "suspended",
            Self::Resume => "resumed",
            Self::Wake => "woken",
            Self::SetMemory => "given another memory size",
            Self::Tune => "tuned",
            Self::AttachDevice => "given a device",
            Self::DetachDevice => "relieved of a device",
            Self::UpdateDevice => "given a changed device",
            Self::SteerJob => "told what becomes of a job on its images",
            Self::PivotJob => "given the image of a job",
            Self::Migrate => "migrated",
            Self::Configure => "configured",
        }
    }

    /// True when two of them in a row both make sense.
    fn repeats(self) -> bool {
        matches!(
            self,
            Self::Define
                | Self::SetMemory
                | Self::Tune
                | Self::AttachDevice
                | Self::DetachDevice
                | Self::UpdateDevice
                | Self::SteerJob
                | Self::PivotJob
                | Self::Configure
        )
    }

    /// True when it takes its time, and its progress is told by [`reeve_model::migration::MigrationJob`] or of a save.
    pub(crate) fn is_job(self) -> bool {
        matches!(self, Self::Save | Self::Dump | Self::Migrate)
    }

    /// True when it leaves images alone, so that a job on images may go on meanwhile. It may change other things in the definition.
    fn goes_beside_jobs(self) -> bool {
        matches!(
            self,
            Self::Shutdown
                | Self::Reboot
                | Self::Reset
                | Self::Suspend
                | Self::Resume
                | Self::Wake
                | Self::SetMemory
                | Self::Tune
                | Self::SteerJob
        )
    }

    /// True when a destroy makes it pointless.
    fn ends_with_destroy(self) -> bool {
        !matches!(self, Self::Define | Self::Undefine | Self::Start | Self::Destroy | Self::Configure)
    }
}

/// Names one offered request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ticket(u64);

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The same is being done or waits already.
    Already(Request),
    /// Too many wait.
    Full,
}

/// What becomes of an offered request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// It runs now.
    Runs(Ticket),
    /// It waits; the tickets were waiting and are dropped because of it.
    Waits(Ticket, Vec<Ticket>),
}

/// How many may wait for one domain.
const WAITING_MAX: usize = 16;

/// The requests of one domain.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    running: Option<(Ticket, Request)>,
    /// Since when that runs.
    since: Option<Instant>,
    waiting: VecDeque<(Ticket, Request)>,
    issued: u64,
}

impl Admission {
    /// Offers a request.
    pub fn offer(&mut self, request: Request) -> Result<Admitted, Refused> {
        let Some((_, running)) = self.running else {
            let ticket = self.issue();
            self.run(Some((ticket, request)));
            return Ok(Admitted::Runs(ticket));
        };
        let pending = |other: Request| other == request && !request.repeats();
        if pending(running) || self.waiting.iter().any(|(_, waiting)| pending(*waiting)) {
            return Err(Refused::Already(request));
        }
        let mut dropped = Vec::new();
        if request == Request::Destroy {
            self.waiting.retain(|(ticket, waiting)| {
                let pointless = waiting.ends_with_destroy();
                if pointless {
                    dropped.push(*ticket);
                }
                !pointless
            });
        } else if self.waiting.len() >= WAITING_MAX {
            return Err(Refused::Full);
        }
        let ticket = self.issue();
        if request == Request::Destroy {
            self.waiting.push_front((ticket, request));
        } else {
            self.waiting.push_back((ticket, request));
        }
        Ok(Admitted::Waits(ticket, dropped))
    }

    /// Ends the running request or withdraws a waiting one; the ticket that runs next because of it, if any.
    pub fn leave(&mut self, ticket: Ticket) -> Option<Ticket> {
        if self.running.is_some_and(|(running, _)| running == ticket) {
            let next = self.waiting.pop_front();
            self.run(next);
            return self.running.map(|(next, _)| next);
        }
        self.waiting.retain(|(waiting, _)| *waiting != ticket);
        None
    }

    /// Lets the first of those that wait run which may go beside a job on images, and the one that runs come after it. The ticket that runs now,
    /// if there is one.
    pub fn lend(&mut self, ticket: Ticket) -> Option<Ticket> {
        let lender = self.running.filter(|(running, _)| *running == ticket)?;
        let at = self.waiting.iter().position(|(_, waiting)| waiting.goes_beside_jobs())?;
        let next = self.waiting.remove(at);
        self.run(next);
        self.waiting.push_front(lender);
        self.running.map(|(next, _)| next)
    }

    /// Whether such a request waits.
    pub fn waits(&self, request: Request) -> bool {
        self.waiting.iter().any(|(_, waiting)| *waiting == request)
    }

    /// The request that runs.
    pub fn running(&self) -> Option<Request> {
        self.running.map(|(_, request)| request)
    }

    /// The request that runs, and since when.
    pub fn busy(&self) -> Option<(Request, Duration)> {
        Some((self.running()?, self.since?.elapsed()))
    }

    fn run(&mut self, next: Option<(Ticket, Request)>) {
        self.since = next.map(|_| Instant::now());
        self.running = next;
    }

    fn issue(&mut self) -> Ticket {
        self.issued += 1;
        Ticket(self.issued)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn runs(admission: &mut Admission, request: Request) -> Ticket {
        match admission.offer(request).unwrap() {
            Admitted::Runs(ticket) => ticket,
            Admitted::Waits(..) => panic!("{request:?} waits"),
        }
    }

    fn waits(admission: &mut Admission, request: Request) -> (Ticket, Vec<Ticket>) {
        match admission.offer(request).unwrap() {
            Admitted::Waits(ticket, dropped) => (ticket, dropped),
            Admitted::Runs(_) => panic!("{request:?} runs"),
        }
    }

    #[test]
    fn a_second_start_while_starting_is_refused() {
        let mut admission = Admission::default();
        runs(&mut admission, Request::Start);
        assert_eq!(admission.offer(Request::Start), Err(Refused::Already(Request::Start)));
    }

    #[test]
    fn destroy_overtakes_what_waits_and_drops_what_is_pointless_after_it() {
        let mut admission = Admission::default();
        let suspend = runs(&mut admission, Request::Suspend);
        let (shutdown, _) = waits(&mut admission, Request::Shutdown);
        let (start, _) = waits(&mut admission, Request::Start);
        let (destroy, dropped) = waits(&mut admission, Request::Destroy);
        assert_eq!(dropped, [shutdown]);
        assert!(admission.waits(Request::Destroy) && !admission.waits(Request::Shutdown));
        assert_eq!(admission.leave(suspend), Some(destroy));
        assert_eq!(admission.leave(destroy), Some(start));
        assert_eq!(admission.leave(start), None);
        assert_eq!(admission.running(), None);
    }

    #[test]
    fn repeated_settings_queue_up_to_a_bound() {
        let mut admission = Admission::default();
        runs(&mut admission, Request::SetMemory);
        for _ in 0..WAITING_MAX {
            waits(&mut admission, Request::SetMemory);
        }
        assert_eq!(admission.offer(Request::SetMemory), Err(Refused::Full));
        waits(&mut admission, Request::Destroy);
    }

    #[test]
    fn a_job_lets_others_go_first_and_comes_after_them() {
        let mut admission = Admission::default();
        let merge = runs(&mut admission, Request::Configure);
        assert_eq!(admission.lend(merge), None, "nobody waits");
        let (attach, _) = waits(&mut admission, Request::AttachDevice);
        assert_eq!(admission.lend(merge), None, "a disk, perhaps");
        let (shutdown, _) = waits(&mut admission, Request::Shutdown);
        assert_eq!(admission.lend(attach), None, "it does not run");
        assert_eq!(admission.lend(merge), Some(shutdown));
        let (destroy, dropped) = waits(&mut admission, Request::Destroy);
        assert_eq!(dropped, [attach], "what is lent comes back");
        assert_eq!(admission.leave(shutdown), Some(destroy));
        assert_eq!(admission.leave(destroy), Some(merge));
        assert_eq!(admission.leave(merge), None);
    }

    #[test]
    fn a_withdrawn_request_never_runs() {
        let mut admission = Admission::default();
        let start = runs(&mut admission, Request::Start);
        let (suspend, _) = waits(&mut admission, Request::Suspend);
        assert_eq!(admission.leave(suspend), None);
        assert_eq!(admission.leave(start), None);
    }

    proptest! {
        /// Whatever is offered and whoever leaves: one runs at most, nobody is lost, and all get their end.
        #[test]
        fn nobody_is_lost(steps in prop::collection::vec((0usize..Request::ALL.len(), any::<bool>(), any::<prop::sample::Index>()), 0..200)) {
            let mut admission = Admission::default();
            let mut running: Option<Ticket> = None;
            let mut waiting: Vec<Ticket> = Vec::new();
            for (request, leave, who) in steps {
                if leave {
                    let all: Vec<_> = running.iter().chain(&waiting).copied().collect();
                    if all.is_empty() {
                        continue;
                    }
                    let ticket = all[who.index(all.len())];
                    let next = admission.leave(ticket);
                    waiting.retain(|other| *other != ticket);
                    if running == Some(ticket) {
                        running = next;
                        prop_assert_eq!(next.is_none(), waiting.is_empty());
                        if let Some(next) = next {
                            prop_assert!(waiting.contains(&next));
                            waiting.retain(|other| *other != next);
                        }
                    } else {
                        prop_assert_eq!(next, None);
                    }
                } else {
                    match admission.offer(Request::ALL[request]) {
                        Ok(Admitted::Runs(ticket)) => {
                            prop_assert!(running.is_none() && waiting.is_empty());
                            running = Some(ticket);
                        }
                        Ok(Admitted::Waits(ticket, dropped)) => {
                            prop_assert!(running.is_some());
                            waiting.retain(|other| !dropped.contains(other));
                            waiting.push(ticket);
                        }
                        Err(_) => prop_assert!(running.is_some()),
                    }
                }
                prop_assert_eq!(admission.running().is_some(), running.is_some());
                prop_assert_eq!(admission.waiting.len(), waiting.len());
            }
        }
    }
}
