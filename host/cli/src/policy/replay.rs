//! `reeve policy replay`: recorded sessions played back, bit for bit.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use reeve_policy::Mode;
use serde::Serialize;

use super::sessions::{self, Terms};
use crate::context::Context;
use crate::output::Show;

/// Differing sessions that are shown at most.
const SHOWN: usize = 20;

/// Options of `reeve policy replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every session must have been recorded from this very component. The policy is given what it was given then, every question it asks
the host is answered from the session, and it must ask, answer and use the same instructions.

Examples:
  reeve policy record naming --count 1000 --out day.jsonl
  reeve policy replay naming.wasm day.jsonl")]
pub struct Replay {
    /// A project, or a component
    #[arg(value_name = "DIR|FILE")]
    policy: PathBuf,
    /// Sessions
    #[arg(value_name = "SESSIONS")]
    sessions: PathBuf,
}

/// What came of all of them.
#[derive(Debug, Serialize)]
struct Replayed {
    sessions: usize,
    identical: usize,
    different: usize,
    /// Sessions that say that they cannot be replayed, or that are none.
    skipped: usize,
    seconds: f64,
    /// Replays a second.
    rate: f64,
    /// The first ones that differ, and why others were skipped.
    notes: Vec<String>,
}

impl Replay {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let component = Terms::default().open(&sessions::component(&self.policy)?)?;
        let recorded = sessions::read(&self.sessions)?;
        let mut result = Replayed {
            sessions: recorded.len(),
            identical: 0,
            different: 0,
            skipped: 0,
            seconds: 0.0,
            rate: 0.0,
            notes: Vec::new(),
        };
        let begin = Instant::now();
        for one in recorded {
            let replayed = match &one.session {
                Ok(session) => {
                    component.replay(session, Mode::Exact).await.map_err(|error| error.to_string())
                }
                Err(error) => Err(error.clone()),
            };
            let note = match replayed {
                Ok(replayed) if replayed.is_same() => {
                    result.identical += 1;
                    continue;
                }
                Ok(replayed) => {
                    result.different += 1;
                    let all: Vec<String> = replayed.differences.iter().map(ToString::to_string).collect();
                    format!("{}: {}", one.place, all.join("; "))
                }
                Err(error) => {
                    result.skipped += 1;
                    format!("{}: skipped: {error}", one.place)
                }
            };
            if result.notes.len() < SHOWN {
                result.notes.push(note);
            }
        }
        result.seconds = begin.elapsed().as_secs_f64();
        result.rate = (result.identical + result.different) as f64 / result.seconds.max(1e-9);
        context.show(&result)?;
        match (result.different, result.identical) {
            (0, 0) => anyhow::bail!("no session could be replayed"),
            (0, _) => Ok(()),
            (different, _) => anyhow::bail!("{different} of {} sessions differ", result.sessions),
        }
    }
}

impl Show for Replayed {
    const ELEMENT: &'static str = "replay";

    fn human(&self) -> String {
        let Self { sessions, identical, different, skipped, seconds, rate, notes } = self;
        let mut text = format!(
            "{sessions} sessions: {identical} identical, {different} different, {skipped} skipped, in {seconds:.2} s ({rate:.0} a second)"
        );
        for note in notes {
            text.push_str(&format!("\n  {note}"));
        }
        text
    }
}
