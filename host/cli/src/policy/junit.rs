//! A test report as JUnit XML, the form that build servers read.

use reeve_xml::escape;

use super::test::Report;

/// The report as a document.
pub(super) fn draw(report: &Report) -> String {
    let (total, failed) = (report.sessions.len(), report.failed);
    let suite = escape(&report.policy);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{total}\" failures=\"{failed}\" time=\"{:.6}\">\n  <testsuite name=\"{suite}\" tests=\"{total}\" failures=\"{failed}\" errors=\"0\" time=\"{:.6}\">\n",
        report.seconds, report.seconds
    );
    for tested in &report.sessions {
        let seconds = tested.micros as f64 / 1e6;
        let (name, class) = (escape(&tested.session), escape(&format!("{}.{}", report.policy, tested.hook)));
        text.push_str(&format!("    <testcase classname=\"{class}\" name=\"{name}\" time=\"{seconds:.6}\""));
        if tested.differences.is_empty() {
            text.push_str("/>\n");
            continue;
        }
        let message = escape(tested.differences.first().map_or("", String::as_str));
        let all = escape(&tested.differences.join("\n"));
        text.push_str(&format!(">\n      <failure message=\"{message}\">{all}</failure>\n    </testcase>\n"));
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::test::tests::report;

    #[test]
    fn a_case_a_session() {
        insta::assert_snapshot!(draw(&report()), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites tests="2" failures="1" time="0.020000">
          <testsuite name="naming" tests="2" failures="1" errors="0" time="0.020000">
            <testcase classname="naming.domain-define" name="sessions/define-web.json" time="0.000031"/>
            <testcase classname="naming.domain-define" name="sessions/day.jsonl:2" time="0.000031">
              <failure message="outcome: expected &quot;allow&quot;, got &quot;deny&quot;">outcome: expected &quot;allow&quot;, got &quot;deny&quot;</failure>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}
