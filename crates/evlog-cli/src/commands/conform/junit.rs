//! The answer as `JUnit` XML: one suite, with a test case for each check; a check that was not run is skipped.
//!
//! It has no time and no host name: the same bundle gives the same file.

use super::result;
use crate::ui::is_hidden;
use evlog_conform::{Checked, Conformance};

/// The whole file.
pub(super) fn document(pipeline: &str, found: &Conformance) -> String {
    let count = |word: &str| found.checks.iter().filter(|checked| result(checked) == word).count();
    // The schema that Jenkins validates reports with counts skipped test cases for a suite, and not for all of them.
    let counts = format!("tests=\"{}\" failures=\"{}\" errors=\"0\"", found.checks.len(), count("failed"));
    let skipped = count("not_run");
    let status = escaped(found.status.as_deref().unwrap_or("unknown"));
    let name = escaped(found.run.as_deref().unwrap_or("unknown run"));
    let cases: String = found.checks.iter().map(|checked| case(pipeline, checked)).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"evlog conform\" {counts}>\n  \
         <testsuite name=\"{name}\" {counts} skipped=\"{skipped}\">\n    <properties>\n      \
         <property name=\"run status\" value=\"{status}\"/>\n    </properties>\n{cases}  </testsuite>\n</testsuites>\n"
    )
}

fn case(pipeline: &str, checked: &Checked) -> String {
    let check = checked.check;
    let name = escaped(&format!("{:02} {}", check.number, check.title.replace('`', "")));
    let class = escaped(&format!("conform.{pipeline}.{}", check.code));
    let case = format!("    <testcase classname=\"{class}\" name=\"{name}\"");
    match &checked.answer {
        Err(why) => format!("{case}><skipped message=\"{}\"/></testcase>\n", escaped(&why.to_string())),
        Ok(_) if checked.count == 0 => format!("{case}/>\n"),
        Ok(findings) => {
            let mut lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
            let message = lines.first().cloned().unwrap_or_default();
            if checked.count > lines.len() {
                lines.push(format!("and {} more", checked.count - lines.len()));
            }
            let (message, text) = (escaped(&message), escaped(&lines.join("\n")));
            format!("{case}><failure type=\"{}\" message=\"{message}\">{text}</failure></testcase>\n", check.code)
        }
    }
}

/// Text of an element or an attribute. XML 1.0 does not allow most control characters, not even escaped, so invisible
/// characters are shown in escaped form.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut xml, c| {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\n' => xml.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => xml.extend(c.escape_unicode()),
            c if is_hidden(c) => xml.extend(c.escape_unicode()),
            c => xml.push(c),
        }
        xml
    })
}
