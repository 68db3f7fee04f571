//! `reeve policy test`: recorded sessions as tests.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use reeve_policy::{Mode, Offline};
use serde::Serialize;

use super::junit;
use super::sessions::{self, Recorded, Terms};
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve policy test`.
#[derive(Debug, Args)]
#[command(after_help = "\
A session is one call as JSON: what the policy was asked, what the host told it, what it must answer. The daemon records them
('reeve policy record'), 'reeve policy run --session' writes one, and they can be written by hand. A session of this very component
is compared bit for bit, with the host calls in order and the instructions used; one of another version or language by its answer,
its outcome, its changes and what it did to the host.

Examples:
  reeve policy test                                  the project in this directory
  reeve policy test naming.wasm --sessions sessions
  reeve policy test --junit report.xml")]
pub struct Test {
    /// A project, or a component
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    policy: PathBuf,
    /// Sessions [default: those of the project]
    #[arg(long, value_name = "DIR|FILE")]
    sessions: Option<PathBuf>,
    /// Also write a report for machines, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Compare every session bit for bit
    #[arg(long)]
    exact: bool,
    #[command(flatten)]
    terms: Terms,
}

/// All sessions of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) policy: String,
    pub(super) version: String,
    pub(super) digest: String,
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) seconds: f64,
    pub(super) sessions: Vec<Tested>,
}

/// One session and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Tested {
    pub(super) session: String,
    pub(super) hook: String,
    pub(super) subject: String,
    pub(super) outcome: String,
    pub(super) exact: bool,
    pub(super) fuel: u64,
    pub(super) micros: u64,
    /// Empty for one that passed.
    pub(super) differences: Vec<String>,
}

impl Test {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let component = self.terms.open(&sessions::component(&self.policy)?)?;
        let folder = self.sessions.unwrap_or_else(|| {
            let project = if self.policy.is_dir() { Some(&*self.policy) } else { None };
            project.map_or_else(|| PathBuf::from("sessions"), |project| project.join("sessions"))
        });
        let begin = Instant::now();
        let mut tested = Vec::new();
        for recorded in sessions::read(&folder)? {
            tested.push(test(&component, recorded, &self.terms, self.exact).await);
        }
        let report = Report::new(&component, tested, begin.elapsed());
        if let Some(file) = &self.junit {
            std::fs::write(file, junit::draw(&report))
                .map_err(|error| anyhow::anyhow!("cannot write '{}': {error}", file.display()))?;
        }
        context.show(&report)?;
        match report.failed {
            0 => Ok(()),
            failed => anyhow::bail!("{failed} of {} sessions failed", report.sessions.len()),
        }
    }
}

async fn test(component: &Offline, recorded: Recorded, terms: &Terms, exact: bool) -> Tested {
    let Recorded { place, session } = recorded;
    let mut tested = Tested {
        session: place,
        hook: String::new(),
        subject: String::new(),
        outcome: "error".to_owned(),
        exact: false,
        fuel: 0,
        micros: 0,
        differences: Vec::new(),
    };
    let session = match session {
        Ok(session) => session,
        Err(error) => {
            tested.differences.push(error);
            return tested;
        }
    };
    let mode = sessions::mode(&session, component, terms, exact);
    tested.hook = session.hook.to_string();
    tested.subject = session.subject();
    tested.exact = mode == Mode::Exact;
    if !session.expects() {
        tested.differences.push("the session says neither 'answer' nor 'outcome'".to_owned());
    }
    match component.replay(&session, mode).await {
        Ok(replayed) => {
            tested.outcome = super::word(&replayed.outcome);
            tested.fuel = replayed.fuel;
            tested.micros = u64::try_from(replayed.elapsed.as_micros()).unwrap_or(u64::MAX);
            tested.differences.extend(replayed.differences.iter().map(ToString::to_string));
        }
        Err(error) => tested.differences.push(error.to_string()),
    }
    tested
}

impl Report {
    fn new(component: &Offline, sessions: Vec<Tested>, elapsed: Duration) -> Self {
        let manifest = component.manifest();
        let failed = sessions.iter().filter(|tested| !tested.differences.is_empty()).count();
        Self {
            policy: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: component.digest().to_owned(),
            passed: sessions.len() - failed,
            failed,
            seconds: elapsed.as_secs_f64(),
            sessions,
        }
    }
}

impl Show for Report {
    const ELEMENT: &'static str = "test";

    fn human(&self) -> String {
        let short = self.digest.get(..12).unwrap_or(&self.digest);
        let mut text = format!("Policy '{}' {} (sha256:{short})\n", self.policy, self.version);
        let width = self.sessions.iter().map(|tested| tested.session.len()).max().unwrap_or_default();
        for tested in &self.sessions {
            let word = if tested.differences.is_empty() { "ok    " } else { "FAILED" };
            let how = if tested.exact { "exact" } else { "behaviour" };
            let Tested { session, hook, subject, outcome, micros, .. } = tested;
            text.push_str(&format!(
                "{word} {session:width$}  {hook} {subject}: {outcome} ({how}, {micros} us)\n"
            ));
            for difference in &tested.differences {
                text.push_str(&format!("         {difference}\n"));
            }
        }
        text.push_str(&format!("{} passed, {} failed in {:.2} s", self.passed, self.failed, self.seconds));
        text
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::output::Format;

    pub(in crate::policy) fn report() -> Report {
        let tested = |session: &str, outcome: &str, differences: &[&str]| Tested {
            session: session.into(),
            hook: "domain-define".into(),
            subject: "web".into(),
            outcome: outcome.into(),
            exact: differences.is_empty(),
            fuel: 40_123,
            micros: 31,
            differences: differences.iter().map(|text| (*text).to_owned()).collect(),
        };
        let sessions = vec![
            tested("sessions/define-web.json", "allow", &[]),
            tested("sessions/day.jsonl:2", "deny", &["outcome: expected \"allow\", got \"deny\""]),
        ];
        Report {
            policy: "naming".into(),
            version: "0.1.0".into(),
            digest: "8c61f3c2f1aa".repeat(5) + "abcd",
            passed: 1,
            failed: 1,
            seconds: 0.02,
            sessions,
        }
    }

    #[test]
    fn a_line_a_session_and_what_differs() {
        insta::assert_snapshot!(Format::Table.draw(&report()).unwrap(), @r#"
        Policy 'naming' 0.1.0 (sha256:8c61f3c2f1aa)
        ok     sessions/define-web.json  domain-define web: allow (exact, 31 us)
        FAILED sessions/day.jsonl:2      domain-define web: deny (behaviour, 31 us)
                 outcome: expected "allow", got "deny"
        1 passed, 1 failed in 0.02 s
        "#);
    }
}
