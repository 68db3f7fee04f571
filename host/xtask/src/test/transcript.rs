//! Reads what `cargo test -- --show-output` prints, line by line.

use std::collections::BTreeMap;

use super::outcome::{Case, Outcome, Skip};

/// As much is kept of what a program says besides its results.
const WORDS: usize = 4 << 10;

/// Part of a test program's output.
#[derive(Clone, Copy, PartialEq, Default)]
enum Part {
    /// Results, what programs say outside of tests, compiler messages and so on.
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
    /// What a program said since it began its tests, until it says how they went: there is more to know when it dies before that.
    unfinished: Option<String>,
    cases: Vec<Case>,
    /// Skips by suite and test.
    skips: BTreeMap<(String, String), Skip>,
    outputs: BTreeMap<(String, String), String>,
}

impl Transcript {
    /// Takes one line; whether a person wants to see it.
    pub fn push(&mut self, line: &str) -> bool {
        if let Some(suite) = suite_name(line) {
            self.end_suite();
            self.suite = suite;
            self.part = Part::Results;
            self.speaker = None;
            return true;
        }
        match line {
            "successes:" => (self.part, self.speaker) = (Part::Successes, None),
            "failures:" => (self.part, self.speaker) = (Part::Failures, None),
            _ if is_count(line) => self.unfinished = Some(String::new()),
            _ if line.starts_with("test result: ") => {
                self.part = Part::Results;
                self.speaker = None;
                self.unfinished = None;
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
            match self.result(line) {
                Some(case) => self.cases.push(case),
                None => self.overhear(line),
            }
        } else if let (Part::Failures, None, Some(name)) =
            (self.part, &self.speaker, line.strip_prefix("    "))
        {
            self.count_failed(name.to_owned());
        } else if let Some(name) = &self.speaker {
            let output = self.outputs.entry((self.suite.clone(), name.clone())).or_default();
            output.push_str(line);
            output.push('\n');
        }
        self.part != Part::Successes
    }

    /// Counts a test that the program lists as failed, unless it was: other output may have got into the line of its result.
    fn count_failed(&mut self, name: String) {
        let case = Case { suite: self.suite.clone(), name, outcome: Outcome::Failed(String::new()) };
        if !self.cases.iter().any(|other| other.is_of(&case)) {
            self.cases.push(case);
        }
    }

    /// A line that is no result: the last words of a program that dies are among these.
    fn overhear(&mut self, line: &str) {
        if let Some(words) = self.unfinished.as_mut().filter(|words| words.len() < WORDS) {
            words.push_str(line);
            words.push('\n');
        }
    }

    /// A program that began its tests and did not say how they went has failed as a whole.
    fn end_suite(&mut self) {
        if let Some(words) = self.unfinished.take() {
            let outcome = Outcome::Failed(words);
            self.cases.push(Case {
                suite: self.suite.clone(),
                name: "died in its tests".to_owned(),
                outcome,
            });
        }
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
        self.end_suite();
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
                    if let Some(said) = self.outputs.remove(&key) {
                        *output = said;
                    }
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

/// `running 4 tests`, with which a program begins.
fn is_count(line: &str) -> bool {
    let count = line.strip_prefix("running ").and_then(|rest| rest.split_once(' '));
    count.is_some_and(|(count, rest)| rest.starts_with("test") && count.parse::<usize>().is_ok())
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
    fn a_program_that_dies_fails_with_its_last_words() {
        let run = "     Running tests/a.rs (target/debug/deps/a-0123456789abcdef)\n\nrunning 2 tests\ntest fine ... ok\n\n\
            thread 'deep' (7) has overflowed its stack\nfatal runtime error: stack overflow, aborting\n\
            \x20    Running tests/b.rs (target/debug/deps/b-0123456789abcdef)\n\nrunning 1 test\ntest other ... ok\n\n\
            test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        let cases = cases(run);
        let failed: Vec<_> = cases.iter().filter(|case| case.has_failed()).collect();
        let [Case { suite, outcome: Outcome::Failed(words), .. }] = failed[..] else {
            panic!("one failure: {failed:?}");
        };
        assert_eq!((suite.as_str(), cases.len()), ("a", 3));
        assert!(words.contains("thread 'deep' (7) has overflowed its stack"), "{words}");
    }

    #[test]
    fn a_failure_whose_line_was_broken_is_found_in_the_list() {
        let run = RUN.replace("test a::bad ... FAILED", "test a::bad ... a daemon wroteFAILED");
        let cases = cases(&run);
        let failed: Vec<_> = cases.iter().filter(|case| case.has_failed()).collect();
        let [Case { name, outcome: Outcome::Failed(output), .. }] = failed[..] else {
            panic!("one failure: {failed:?}");
        };
        assert!(name == "a::bad" && output.contains("left is not right"));
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
