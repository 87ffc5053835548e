//! A report as `JUnit` XML: one suite; a test case that was not run is skipped.

use super::{Answer, Report, TestCase};
use crate::table::counted;
use crate::ui::in_markup;

/// The whole file.
pub(super) fn document(report: &Report) -> String {
    let more = more(report);
    let of = |is: fn(&Answer) -> bool| report.cases.iter().filter(|case| is(&case.answer)).count();
    let failed = report.failed + usize::from(report.more.failed > 0);
    // The schema that Jenkins validates reports with counts skipped test cases for a suite, and not for all of them.
    let counts = format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\"", report.cases.len() + more.len());
    let skipped = of(|answer| matches!(answer, Answer::NotRun(_)));
    let (tool, name) = (escaped(report.tool), escaped(&report.suite));
    let property = |(name, value): &(&str, String)| {
        format!("      <property name=\"{}\" value=\"{}\"/>\n", escaped(name), escaped(value))
    };
    let properties: String = report.properties.iter().map(property).collect();
    let cases: String = report.cases.iter().map(|case| self::case(report, case)).chain(more).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{tool}\" {counts}>\n  \
         <testsuite name=\"{name}\" {counts} skipped=\"{skipped}\">\n    <properties>\n{properties}    \
         </properties>\n{cases}  </testsuite>\n</testsuites>\n"
    )
}

fn case(report: &Report, TestCase { rule, class, name, answer }: &TestCase) -> String {
    let case = format!("    <testcase classname=\"{}\" name=\"{}\"", escaped(class), escaped(name));
    match answer {
        Answer::NotRun(why) => format!("{case}><skipped message=\"{}\"/></testcase>\n", escaped(why)),
        Answer::Ran { count: 0, .. } => format!("{case}/>\n"),
        Answer::Ran { kept, count, .. } => {
            let mut lines: Vec<String> = kept.iter().map(|finding| finding.sentence.clone()).collect();
            let message = lines.first().cloned().unwrap_or_default();
            let left_out = count - lines.len() as u64;
            if left_out > 0 {
                lines.push(format!("and {left_out} more"));
            }
            let (message, text) = (escaped(&message), escaped(&lines.join("\n")));
            let rule = &report.rules[*rule];
            if rule.severity < report.fails_from {
                return format!("{case}><system-out>{text}</system-out></testcase>\n");
            }
            let rule = escaped(&rule.id);
            format!("{case}><failure type=\"{rule}\" message=\"{message}\">{text}</failure></testcase>\n")
        }
    }
}

/// What the report only counts, as test cases, so that no finding is lost.
fn more(report: &Report) -> Vec<String> {
    let case = |name: String| format!("    <testcase classname=\"{}\" name=\"{name}\"", report.command());
    let (passed, findings) = (report.more.passed, report.more.findings);
    let passed = (passed > 0).then(|| format!("{}/>\n", case(format!("{passed} more without findings"))));
    let failed = (report.more.failed > 0).then(|| {
        let name = format!("{} more", counted(findings, "finding"));
        format!("{}><failure type=\"more\" message=\"{name}\"/></testcase>\n", case(name.clone()))
    });
    passed.into_iter().chain(failed).collect()
}

/// Text that may be an attribute, where a line would end as a space.
fn escaped(text: &str) -> String {
    in_markup(text).replace('\n', "&#10;")
}
