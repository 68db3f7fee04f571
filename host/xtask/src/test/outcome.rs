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
    /// It failed, with what it printed, and passed when it ran by itself.
    Unsteady(String),
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

/// As many lines of a failed test are said once more at the end.
const GIST: usize = 12;

/// Lanes that need no special machine.
const EVERYWHERE: [&str; 2] = ["A", "C"];

impl Case {
    /// Whether it failed, and did not pass after that.
    pub fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }

    /// Whether it is the same test as another case, of another run.
    pub fn is_of(&self, other: &Self) -> bool {
        (&self.suite, &self.name) == (&other.suite, &other.name)
    }

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

/// What says most of what a failed test printed: why it stopped, which is above the stack, and nothing of what went before.
pub fn gist(output: &str) -> impl Iterator<Item = &str> {
    let is_stack = |line: &&str| line.eq_ignore_ascii_case("stack backtrace:");
    let lines: Vec<_> = output.lines().take_while(|line| !is_stack(line)).collect();
    let reason = |line: &&str| line.starts_with("thread '") || line.starts_with("Error: ");
    let begin = lines.iter().rposition(reason).unwrap_or(0);
    lines.into_iter().skip(begin).filter(|line| !line.trim().is_empty()).take(GIST)
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
    /// Tests that passed the second time only; they are not among those that passed.
    pub unsteady: usize,
}

impl Totals {
    /// Counts the cases.
    pub fn of(cases: &[Case]) -> Self {
        let count = |wanted: fn(&Outcome) -> bool| cases.iter().filter(|case| wanted(&case.outcome)).count();
        Self {
            passed: count(|outcome| matches!(outcome, Outcome::Passed)),
            failed: count(|outcome| matches!(outcome, Outcome::Failed(_))),
            skipped: count(|outcome| matches!(outcome, Outcome::Skipped(_))),
            unsteady: count(|outcome| matches!(outcome, Outcome::Unsteady(_))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::gist;

    #[test]
    fn a_failure_is_said_in_a_few_lines() {
        let panicked =
            "moved\n\nthread 'a' (1) panicked at a.rs:1:2:\nleft is not right\nstack backtrace:\n   0: a\n";
        let said: Vec<_> = gist(panicked).collect();
        assert_eq!(said, ["thread 'a' (1) panicked at a.rs:1:2:", "left is not right"]);
        let returned = "moved\nError: no guest\n\nCaused by:\n    0: it is off\n\nStack backtrace:\n";
        let said: Vec<_> = gist(returned).collect();
        assert_eq!(said, ["Error: no guest", "Caused by:", "    0: it is off"]);
        assert_eq!(gist("killed\n").collect::<Vec<_>>(), ["killed"]);
    }
}
