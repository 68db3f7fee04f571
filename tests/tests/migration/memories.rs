//! The lifecycle matrix of a guest that does not end: whatever is done with it and its hosts, its vector registers, clock, memory and disk are
//! what they were. Ways of being saved are in `tests/tests/state`.

use reeve_tests::{Daemon, Guest};

use crate::Outcome;
use crate::pair::{Pair, say};

/// What happens to a guest in the middle of its work.
#[derive(Debug, Clone, Copy)]
enum Way {
    Move,
    MoveBack,
    MoveInPostCopy,
    Pause,
    AnotherDaemon,
    KilledDaemon,
}

const WAYS: [Way; 6] =
    [Way::Move, Way::MoveBack, Way::MoveInPostCopy, Way::Pause, Way::AnotherDaemon, Way::KilledDaemon];

impl Way {
    /// The guest is at the pair's source before and afterwards.
    fn go(self, pair: &mut Pair) -> Outcome {
        match self {
            Self::Move | Self::MoveBack => {
                pair.migrate(&["--live"])?.ok();
                pair.turn_around();
            }
            Self::MoveInPostCopy => {
                pair.migrate(&["--live", "--postcopy", "--postcopy-after-precopy"])?.ok();
                pair.turn_around();
            }
            Self::Pause => {
                pair.source.reeve(&["domain", "suspend", "guest"])?.ok();
                pair.source.reeve(&["domain", "resume", "guest"])?.ok();
            }
            Self::AnotherDaemon => {
                pair.source.stop()?;
                pair.source.launch()?;
            }
            Self::KilledDaemon => {
                pair.source.kill()?;
                pair.source.launch()?;
            }
        }
        Ok(())
    }
}

/// What the guest says to these lines, and not before: a console begins with what it said earlier.
fn answer(at: &Daemon, mark: &str, lines: &str) -> anyhow::Result<String> {
    let (begin, done) = (format!("begin-{mark}."), format!("done-{mark}."));
    let said = say(at, &format!("ping {begin}\n{lines}ping {done}\n"), &done)?;
    Ok(said.rsplit_once(&begin).map_or(said.as_str(), |(_, after)| after).to_owned())
}

/// Milliseconds since the guest was booted; its timer ticks.
fn clock(at: &Daemon, mark: &str) -> anyhow::Result<u64> {
    let said = answer(at, &format!("clock-{mark}"), "ticks 100\n")?;
    let field = |name: &str| said.split_whitespace().find_map(|word| word.strip_prefix(name));
    let ticks: u64 = field("ticks=").unwrap_or_default().parse()?;
    anyhow::ensure!(ticks >= 1, "the timer stands: {said}");
    Ok(field("since_boot_ms=").unwrap_or_default().parse()?)
}

#[test]
fn a_guest_has_what_it_had_whatever_is_done_with_it() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    let mut before = clock(&pair.source, "first")?;
    for (number, way) in (0..).zip(WAYS) {
        let (begin, done) = (format!("begin-{number}."), format!("done-{number}."));
        say(&pair.source, &format!("ping {begin}\n"), &begin)?;
        // It holds its registers for two seconds of its own time, and hears nothing meanwhile.
        say(&pair.source, &format!("vectors 0x{number}123456789abcde1 2000\n"), "reeve-guest: holding")?;
        way.go(&mut pair)?;
        let said = say(&pair.source, &format!("ping {done}\n"), &done)?;
        let since = said.rsplit_once(&begin).map_or(said.as_str(), |(_, after)| after);
        anyhow::ensure!(since.contains(Guest::vectors_intact()), "{way:?}: {since}");
        let after = clock(&pair.source, &number.to_string())?;
        anyhow::ensure!(after > before && after < before + 300_000, "{way:?}: {after} ms after {before} ms");
        before = after;
        let said = answer(&pair.source, &format!("irq-{number}"), "irq test\n")?;
        anyhow::ensure!(said.contains("disk0="), "{way:?}: the disk interrupts: {said}");
        pair.is_intact(&pair.source)?;
    }
    Ok(())
}
