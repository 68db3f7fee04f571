//! Results as JUnit XML, which every continuous integration reads.

use std::collections::BTreeMap;
use std::fmt::Write;

use reeve_xml::escape;

use super::outcome::{Case, Outcome, Totals};

/// The whole document, a `testsuite` a test program.
pub fn document(cases: &[Case]) -> String {
    let mut suites: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        suites.entry(&case.suite).or_default().push(case);
    }
    let totals = Totals::of(cases);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
        cases.len(),
        totals.failed,
        totals.skipped
    );
    for (name, cases) in suites {
        let count = |wanted: fn(&Outcome) -> bool| cases.iter().filter(|case| wanted(&case.outcome)).count();
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
        push(
            &mut xml,
            format_args!(
                "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" skipped=\"{skipped}\">\n",
                escape(name),
                cases.len()
            ),
        );
        for case in cases {
            testcase(&mut xml, case);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn testcase(xml: &mut String, case: &Case) {
    let (suite, name) = (escape(&case.suite), escape(&case.name));
    push(xml, format_args!("    <testcase classname=\"{suite}\" name=\"{name}\""));
    match &case.outcome {
        Outcome::Passed => xml.push_str("/>\n"),
        Outcome::Failed(output) => {
            push(xml, format_args!("><failure message=\"failed\">{}</failure></testcase>\n", escape(output)));
        }
        // As Maven's runner has it for tests that are run again.
        Outcome::Unsteady(output) => {
            push(
                xml,
                format_args!(
                    "><flakyFailure message=\"failed once\">{}</flakyFailure></testcase>\n",
                    escape(output)
                ),
            );
        }
        Outcome::Skipped(skip) => {
            let message = escape(&format!("lane {}: {}", skip.lane, skip.reason));
            push(xml, format_args!("><skipped message=\"{message}\"/></testcase>\n"));
        }
    }
}

fn push(xml: &mut String, text: std::fmt::Arguments<'_>) {
    xml.write_fmt(text).expect("writing to a string never fails");
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Skip;
    use super::*;

    #[test]
    fn skips_carry_their_reason_and_text_is_escaped() {
        let case = |name: &str, outcome| Case { suite: "s".to_owned(), name: name.to_owned(), outcome };
        let document = document(&[
            case("fine", Outcome::Passed),
            case("bad<1>", Outcome::Failed("a & \"b\"\u{1b}".to_owned())),
            case("absent", Outcome::Skipped(Skip { lane: "B".to_owned(), reason: "no qemu".to_owned() })),
        ]);
        assert_eq!(
            document,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites tests=\"3\" failures=\"1\" skipped=\"1\">\n  \
               <testsuite name=\"s\" tests=\"3\" failures=\"1\" skipped=\"1\">\n    \
                 <testcase classname=\"s\" name=\"fine\"/>\n    \
                 <testcase classname=\"s\" name=\"bad&lt;1&gt;\"><failure message=\"failed\">\
             a &amp; &quot;b&quot;\u{fffd}</failure></testcase>\n    \
                 <testcase classname=\"s\" name=\"absent\"><skipped message=\"lane B: no qemu\"/></testcase>\n  \
               </testsuite>\n</testsuites>\n"
        );
    }
}
