//! Reads what `cargo test -- --show-output` prints, line by line.

use std::collections::BTreeMap;

use super::outcome::{Case, Outcome, Skip};

/// Part of a test program's output.
#[derive(Clone, Copy, PartialEq, Default)]
enum Part {
    /// Results, compiler messages and so on.
    #[default]
    Results,
    /// What passed tests printed, then their names.
    Successes,
    /// What failed tests printed, then their names.
    Failures,
}

/// Collects results while lines go by.
#[derive(Default)]
pub struct Transcript {
    suite: String,
    part: Part,
    /// The test whose output is being shown.
    speaker: Option<String>,
    cases: Vec<Case>,
    /// Skips by suite and test.
    skips: BTreeMap<(String, String), Skip>,
    outputs: BTreeMap<(String, String), String>,
}

impl Transcript {
    /// Takes one line; whether a person wants to see it.
    pub fn push(&mut self, line: &str) -> bool {
        if let Some(suite) = suite_name(line) {
            self.suite = suite;
            self.part = Part::Results;
            self.speaker = None;
            return true;
        }
        match line {
            "successes:" => self.part = Part::Successes,
            "failures:" => self.part = Part::Failures,
            _ if line.starts_with("test result: ") => {
                self.part = Part::Results;
                self.speaker = None;
                return true;
            }
            _ => {}
        }
        if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            self.speaker = Some(name.to_owned());
        } else if let Some((named, skip)) = Skip::parse(line) {
            let test = self.speaker.clone().unwrap_or_else(|| named.to_owned());
            self.skips.insert((self.suite.clone(), test), skip);
        } else if self.part == Part::Results {
            self.cases.extend(self.result(line));
        } else if let Some(name) = &self.speaker {
            let output = self.outputs.entry((self.suite.clone(), name.clone())).or_default();
            output.push_str(line);
            output.push('\n');
        }
        self.part != Part::Successes
    }

    /// `test NAME ... ok`, `FAILED` or `ignored, WHY`.
    fn result(&self, line: &str) -> Option<Case> {
        let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
        let outcome = match result.trim() {
            "ok" => Outcome::Passed,
            "FAILED" => Outcome::Failed(String::new()),
            other => {
                let reason = other.strip_prefix("ignored")?.trim_start_matches(", ");
                let reason = if reason.is_empty() { "run by hand only" } else { reason };
                Outcome::Skipped(Skip { lane: "ignored".to_owned(), reason: reason.to_owned() })
            }
        };
        let name = name.trim_end_matches(" - should panic");
        Some(Case { suite: self.suite.clone(), name: name.to_owned(), outcome })
    }

    /// All tests, with their skips and the output of those that failed.
    pub fn finish(mut self) -> Vec<Case> {
        for case in &mut self.cases {
            match &mut case.outcome {
                Outcome::Passed => {
                    let key = self
                        .skips
                        .keys()
                        .find(|(suite, test)| *suite == case.suite && names(&case.name, test));
                    if let Some(skip) = key.cloned().and_then(|key| self.skips.remove(&key)) {
                        case.outcome = Outcome::Skipped(skip);
                    }
                }
                Outcome::Failed(output) => {
                    let key = (case.suite.clone(), case.name.clone());
                    *output = self.outputs.remove(&key).unwrap_or_default();
                }
                Outcome::Skipped(_) | Outcome::Unsteady(_) => {}
            }
        }
        // A skip that no test owns is one all the same: better counted twice than lost.
        for ((suite, name), skip) in self.skips {
            self.cases.push(Case { suite, name, outcome: Outcome::Skipped(skip) });
        }
        self.cases
    }
}

/// Whether a test's path is, or ends with, a name.
fn names(path: &str, name: &str) -> bool {
    path == name || path.strip_suffix(name).is_some_and(|front| front.ends_with("::"))
}

/// The test program that a line announces: `Running unittests src/lib.rs (…/reeve_xml-0123456789abcdef)`.
fn suite_name(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(format!("doc {name}"));
    }
    let (_, program) = line.strip_prefix("Running ")?.strip_suffix(')')?.rsplit_once('(')?;
    let file = program.rsplit('/').next()?;
    Some(file.rsplit_once('-').map_or(file, |(name, _hash)| name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "\
     Running unittests src/lib.rs (target/debug/deps/reeve_xml-0123456789abcdef)

running 4 tests
test a::fine ... ok
test a::bad ... FAILED
test a::absent ... ok
test a::slow ... ignored, takes an hour
test a::panics - should panic ... ok

successes:

---- a::absent stdout ----
SKIP B absent: qemu-system-x86_64 is not installed

successes:
    a::absent
    a::fine

failures:

---- a::bad stdout ----
thread 'a::bad' panicked at src/a.rs:3:5:
left is not right

failures:
    a::bad

test result: FAILED. 3 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s

   Doc-tests reeve_xml
test src/lib.rs - parse (line 12) ... ok
";

    fn cases(text: &str) -> Vec<Case> {
        let mut transcript = Transcript::default();
        text.lines().for_each(|line| {
            transcript.push(line);
        });
        transcript.finish()
    }

    #[test]
    fn every_outcome_is_understood() {
        let cases = cases(RUN);
        let named = |name: &str| cases.iter().find(|case| case.name == name).expect("there");
        assert_eq!(cases.len(), 6);
        assert_eq!(named("a::fine").suite, "reeve_xml");
        assert_eq!(named("a::fine").outcome, Outcome::Passed);
        assert_eq!(named("a::panics").outcome, Outcome::Passed);
        assert_eq!(named("src/lib.rs - parse (line 12)").suite, "doc reeve_xml");
        let Outcome::Failed(output) = &named("a::bad").outcome else { panic!("failed") };
        assert!(output.contains("left is not right"));
        let (_, skip) = named("a::absent").skip().expect("skipped");
        assert_eq!((skip.lane.as_str(), skip.reason.as_str()), ("B", "qemu-system-x86_64 is not installed"));
        assert_eq!(named("a::slow").skip().expect("ignored").1.reason, "takes an hour");
    }

    #[test]
    fn a_skip_printed_by_another_thread_finds_its_test() {
        let cases = cases("SKIP A boots: no /dev/kvm\ntest guest::boots ... ok\n");
        assert_eq!(cases.len(), 1);
        assert_eq!(cases[0].skip().expect("skipped").1.lane, "A");
    }

    #[test]
    fn a_skip_without_a_test_is_not_lost() {
        let cases = cases("SKIP C lost: no reason\n");
        assert_eq!(cases[0].name, "lost");
        assert!(cases[0].skip().is_some());
    }

    #[test]
    fn what_passed_tests_print_is_not_shown() {
        let mut transcript = Transcript::default();
        let shown: Vec<_> = RUN.lines().filter(|line| transcript.push(line)).collect();
        assert!(!shown.iter().any(|line| line.contains("SKIP")));
        assert!(shown.contains(&"left is not right"));
        assert!(shown.contains(&"test a::fine ... ok"));
    }
}
