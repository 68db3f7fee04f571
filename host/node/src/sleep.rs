//! Sending the machine to sleep until its clock wakes it (guide 14.7.6): /sys/power and /sys/class/rtc.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reeve_model::node::{NodeSuspend, SuspendTarget};
use reeve_sys::files::{FileError, Tree};
use tracing::{error, info};

/// The shortest sleep in seconds: an alarm that is over before the machine sleeps wakes nobody.
const SHORTEST: u64 = 60;
/// How long who asked has to get the answer.
const DELAY: Duration = Duration::from_secs(1);

/// The machine can't be sent to sleep.
#[derive(Debug, thiserror::Error)]
pub enum SleepError {
    /// It would wake too early.
    #[error(
        "a host can't sleep for {0} s: its clock could ring before it sleeps; say {shortest} s or more",
        shortest = SHORTEST
    )]
    TooShort(u64),
    /// The kernel has no such sleep.
    #[error("this host can't sleep like that ('{target}'): its kernel offers {offered}")]
    Missing {
        /// What was asked for.
        target: SuspendTarget,
        /// What there is.
        offered: String,
    },
    /// Nothing would wake it.
    #[error("this host has no clock that could wake it: there is no alarm in /sys/class/rtc")]
    NoAlarm,
    /// It was told before.
    #[error("this host is about to sleep already")]
    Already,
    /// A file of the kernel can't be used.
    #[error("the clock that is to wake this host can't be set")]
    File(#[from] FileError),
}

/// The way to sleep, and whether the machine is on it.
#[derive(Debug)]
pub(super) struct Sleeper {
    power: Tree,
    clocks: Tree,
    asleep: Arc<AtomicBool>,
}

impl Sleeper {
    pub(super) fn new(sys: &Tree) -> Self {
        Self { power: sys.below("power"), clocks: sys.below("class/rtc"), asleep: Arc::default() }
    }

    /// Sets the clock, and has the machine sleep a moment later.
    #[expect(clippy::disallowed_methods, reason = "that who asked has the answer announces nothing")]
    pub(super) fn sleep(&self, wanted: NodeSuspend) -> Result<(), SleepError> {
        let NodeSuspend { target, duration } = wanted;
        if duration < SHORTEST {
            return Err(SleepError::TooShort(duration));
        }
        let mode = self.mode(target)?;
        let alarm = self.alarm().ok_or(SleepError::NoAlarm)?;
        if self.asleep.swap(true, Ordering::SeqCst) {
            return Err(SleepError::Already);
        }
        let set =
            self.clocks.write(&alarm, 0).and_then(|()| self.clocks.write(&alarm, format!("+{duration}")));
        if let Err(error) = set {
            self.asleep.store(false, Ordering::SeqCst);
            return Err(error.into());
        }
        let (power, asleep) = (self.power.clone(), Arc::clone(&self.asleep));
        std::thread::spawn(move || {
            std::thread::sleep(DELAY);
            info!(%target, duration, "the host is sent to sleep");
            let mode = mode.map_or(Ok(()), |mode| power.write("disk", mode));
            // The kernel answers when the machine has woken up.
            match mode.and_then(|()| power.write("state", target.state())) {
                Ok(()) => info!("the host has woken up"),
                Err(error) => error!(%error, "the host does not sleep"),
            }
            asleep.store(false, Ordering::SeqCst);
        });
        Ok(())
    }

    /// What the kernel does with memory that it writes to the disk; none where it writes none. An error where it can't sleep so.
    fn mode(&self, target: SuspendTarget) -> Result<Option<&'static str>, SleepError> {
        let words = |file: &str| -> Vec<String> {
            let text = self.power.text(file).unwrap_or_default();
            text.split_whitespace().map(|word| word.trim_matches(['[', ']']).to_owned()).collect()
        };
        let (states, modes) = (words("state"), words("disk"));
        let has = |words: &[String], wanted: &str| words.iter().any(|word| word == wanted);
        let mode = match target {
            SuspendTarget::Mem => None,
            SuspendTarget::Disk => ["platform", "shutdown"].into_iter().find(|mode| has(&modes, mode)),
            SuspendTarget::Hybrid => Some("suspend").filter(|mode| has(&modes, mode)),
        };
        if has(&states, target.state()) && mode.is_some() == (target != SuspendTarget::Mem) {
            return Ok(mode);
        }
        let offered = match states.is_empty() {
            true => "no sleep at all".to_owned(),
            false => states.join(", "),
        };
        Err(SleepError::Missing { target, offered })
    }

    /// The alarm of the first clock that has one.
    fn alarm(&self) -> Option<String> {
        let clocks = self.clocks.numbered("rtc").into_iter().map(|number| format!("rtc{number}/wakealarm"));
        clocks.into_iter().find(|alarm| self.clocks.has(alarm))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use super::*;

    fn write(sys: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = sys.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    fn text(sys: &Path, name: &str) -> String {
        std::fs::read_to_string(sys.join(name)).unwrap()
    }

    fn asked(sleeper: &Sleeper, target: SuspendTarget, duration: u64) -> Result<(), String> {
        sleeper.sleep(NodeSuspend { target, duration }).map_err(|error| error.to_string())
    }

    fn until(effect: impl Fn() -> bool) {
        let begun = Instant::now();
        while !effect() {
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing happens");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_clock_is_set_before_the_machine_sleeps() {
        let sys = tempfile::tempdir().unwrap();
        let kernel = [
            ("power/state", "freeze mem disk"),
            ("power/disk", "[platform] shutdown reboot suspend test_resume"),
            ("class/rtc/rtc0/name", "without an alarm"),
            ("class/rtc/rtc1/wakealarm", ""),
        ];
        for (target, state, mode) in [
            (SuspendTarget::Mem, "mem", "[platform] shutdown reboot suspend test_resume"),
            (SuspendTarget::Disk, "disk", "platform"),
            (SuspendTarget::Hybrid, "disk", "suspend"),
        ] {
            write(sys.path(), &kernel);
            let sleeper = Sleeper::new(&Tree::new(sys.path()));
            asked(&sleeper, target, 60).unwrap();
            assert_eq!(text(sys.path(), "class/rtc/rtc1/wakealarm"), "+60", "before it sleeps");
            assert!(asked(&sleeper, target, 60).unwrap_err().contains("already"));
            until(|| text(sys.path(), "power/state") == state);
            assert_eq!(text(sys.path(), "power/disk"), mode, "{target}");
            until(|| !sleeper.asleep.load(Ordering::SeqCst));
        }
    }

    #[test]
    fn what_would_not_wake_or_can_not_sleep_is_refused_and_changes_nothing() {
        let sys = tempfile::tempdir().unwrap();
        let sleeper = Sleeper::new(&Tree::new(sys.path()));
        assert!(asked(&sleeper, SuspendTarget::Mem, 59).unwrap_err().contains("60 s or more"));
        assert!(asked(&sleeper, SuspendTarget::Mem, 60).unwrap_err().contains("no sleep at all"));
        write(sys.path(), &[("power/state", "freeze mem disk"), ("power/disk", "[disabled]")]);
        for target in [SuspendTarget::Disk, SuspendTarget::Hybrid] {
            let refused = asked(&sleeper, target, 60).unwrap_err();
            assert!(refused.contains(&format!("'{target}'")) && refused.contains("freeze, mem"), "{refused}");
        }
        assert!(asked(&sleeper, SuspendTarget::Mem, 60).unwrap_err().contains("no clock"));
        assert_eq!(text(sys.path(), "power/state"), "freeze mem disk");
    }
}
