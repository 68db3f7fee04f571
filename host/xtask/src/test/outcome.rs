//! What became of a test.

/// One test.
#[derive(Debug, PartialEq)]
pub struct Case {
    /// The test program, or `doc` and the crate.
    pub suite: String,
    /// Path of the test in it.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// How a test ended.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// It asserted what it should.
    Passed,
    /// With what it printed.
    Failed(String),
    /// It could not run here.
    Skipped(Skip),
}

/// Why a test did not run.
#[derive(Debug, PartialEq)]
pub struct Skip {
    /// A, B or C; `ignored` for tests that are only run by hand.
    pub lane: String,
    /// In the test's own words.
    pub reason: String,
}

/// Lanes that need no special machine.
const EVERYWHERE: [&str; 2] = ["A", "C"];

impl Case {
    /// This case and its skip, if it was skipped.
    pub fn skip(&self) -> Option<(&Self, &Skip)> {
        match &self.outcome {
            Outcome::Skipped(skip) => Some((self, skip)),
            _ => None,
        }
    }
}

impl Skip {
    /// Parses `SKIP <lane> <test>: <reason>`; the test's name comes first.
    pub fn parse(line: &str) -> Option<(&str, Self)> {
        let (lane, rest) = line.trim().strip_prefix("SKIP ")?.split_once(' ')?;
        let (test, reason) = rest.split_once(": ")?;
        Some((test, Self { lane: lane.to_owned(), reason: reason.to_owned() }))
    }

    /// Whether the test's lane runs on every machine, so that a skip is a mistake.
    pub fn must_run_everywhere(&self) -> bool {
        EVERYWHERE.contains(&self.lane.as_str())
    }
}

/// Counts of a run.
#[derive(Debug, PartialEq)]
pub struct Totals {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Tests that could not run.
    pub skipped: usize,
}

impl Totals {
    /// Counts the cases.
    pub fn of(cases: &[Case]) -> Self {
        let count = |wanted: fn(&Outcome) -> bool| cases.iter().filter(|case| wanted(&case.outcome)).count();
        Self {
            passed: count(|outcome| matches!(outcome, Outcome::Passed)),
            failed: count(|outcome| matches!(outcome, Outcome::Failed(_))),
            skipped: count(|outcome| matches!(outcome, Outcome::Skipped(_))),
        }
    }
}
