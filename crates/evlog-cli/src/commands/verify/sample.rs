//! `evlog verify --sample`: reads some of the segments, and reports the confidence.

use super::report::Subject;
use super::{Kept, Pace};
use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::formats::Format;
use crate::json::{MissedObject, SampleObject, SampledObject};
use crate::notes;
use crate::reports::Kind;
use crate::table::{counted, facts};
use crate::ui::{Tone, Ui, Unit};
use evlog::LogError;
use evlog::check::sample::{Sample, Sampled, judged_whole, sample};
use evlog::covered::compare_stated;
use evlog::own_notes::Judged;
use evlog_verify::Covered;
use std::cell::OnceCell;
use std::sync::Arc;

/// A sample counts as finding damage if the probability that it misses the damage is at most this, in parts per million.
const SELDOM: u64 = 50_000;
/// The bits of a seed: JSON readers hold whole numbers up to 2^53 exactly.
const SEED_BITS: u32 = 53;

/// Reads a share: `1%`, `0.25%`. In parts per million.
pub(super) fn share(text: &str) -> Result<u64, String> {
    let wrong = || format!("expected more than 0% and at most 100%, such as `1%` or `0.25%`, found {text:?}");
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || whole.len() > 3 || part.len() > 4 {
        return Err(wrong());
    }
    let parts: u64 = format!("{whole}{part:0<4}").parse().map_err(|_| wrong())?;
    Some(parts).filter(|parts| (1..=1_000_000).contains(parts)).ok_or_else(wrong)
}

/// A random seed.
fn drawn() -> Result<u64, CommandError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| CommandError::user(format!("could not draw a seed: {error}; --seed gives one")))?;
    Ok(u64::from_le_bytes(bytes) >> (u64::BITS - SEED_BITS))
}

/// The sample that is asked for.
pub(super) fn chosen(parts_per_million: u64, seed: Option<u64>) -> Result<Sample, CommandError> {
    Ok(Sample { parts_per_million, seed: seed.map_or_else(drawn, Ok)? })
}

/// Reads a sample and prints the result.
pub(super) fn run(
    ui: &mut Ui,
    context: &Context,
    chosen: Sample,
    kept: Option<&Kept>,
    pace: Option<&Pace>,
    format: Format<Kind>,
) -> Result<Verdict, CommandError> {
    let fs = context.fs()?;
    let (mut found, mut own) = read(ui, context, kept, pace, |covered, progress| {
        sample(Arc::clone(&fs), &context.log, &contracts(), chosen, covered, progress)
    })?;
    // A note can show that something is wrong where the sample did not look. What it is, only the whole log says.
    if found.judged.is_none() && found.report.findings.count() > 0 {
        (found, own) = read(ui, context, kept, pace, |covered, progress| {
            judged_whole(fs, &context.log, &contracts(), &found, covered, progress)
        })?;
    }
    let good = found.is_good() && kept.is_none_or(Kept::is_witnessed);
    match format {
        Format::Text => print(ui, &found, chosen, kept, &own),
        Format::Json => ui.json(&object(&found, chosen, kept, &own, good)),
        Format::Own(kind) => {
            let runs = found.judged.as_ref().map(|judged| judged.contract_findings.as_slice());
            let mut report = Subject::new(&context.log, &found.report, runs, &own).compared_with(kept).report();
            let Sampled { taken, sealed, .. } = found;
            report.says("sample", format!("{taken} of {}, seed {}", counted(sealed, "sealed segment"), chosen.seed));
            report.print(ui, kind);
        }
    }
    Ok(Verdict::of(good))
}

/// Reads the log by a sample, and compares it with the checkpoint from elsewhere and with the log's own notes.
fn read(
    ui: &Ui,
    context: &Context,
    kept: Option<&Kept>,
    pace: Option<&Pace>,
    sampled: impl FnOnce(Option<&Covered>, &mut dyn FnMut(u64, u64)) -> Result<Sampled, LogError>,
) -> Result<(Sampled, Judged), CommandError> {
    let (covered, bar) = (kept.map(Kept::covered), OnceCell::new());
    let mut found = sampled(covered.as_ref(), &mut |done, total| {
        bar.get_or_init(|| ui.progress("sample", total, Unit::Bytes)).at_of(done, total);
        if let Some(pace) = pace {
            pace.keep(done);
        }
    })?;
    drop(bar);
    if let Some(kept) = kept {
        compare_stated(context.fs()?, &context.log, &mut found.report, &notes::stated_by(kept.signed.checkpoint()))?;
    }
    let own = super::own(context, &mut found.report, kept)?;
    Ok((found, own))
}

fn print(ui: &mut Ui, found: &Sampled, chosen: Sample, kept: Option<&Kept>, own: &Judged) {
    let report = &found.report;
    super::findings(ui, report, kept);
    super::contract_findings(ui, found.judged.as_ref().map_or(&[], |judged| &judged.contract_findings));
    let word = report.verdict().word();
    let verdict = if report.findings.count() == 0 && found.judged.is_none() {
        format!("{word}, as far as the sample shows")
    } else {
        word.to_owned()
    };
    let mut rows = vec![("verdict", verdict, Tone::of(word))];
    if report.findings.count() > 0 {
        rows.push(("advice", advice(found), Tone::Plain));
    }
    let Sampled { sealed, taken, rooted, log_bytes, .. } = *found;
    let [events, commits] = [counted(report.events, "event"), counted(report.commits, "commit")];
    rows.extend([
        ("sample", format!("{taken} of {}, and the last segment", counted(sealed, "sealed segment")), Tone::Plain),
        ("seed", chosen.seed.to_string(), Tone::Plain),
        ("read", format!("{events} in {commits}; {} of {log_bytes} bytes", report.size), Tone::Plain),
        (
            "roots",
            format!("{rooted} of {taken} connect the root in their header with the root in the next header"),
            Tone::Plain,
        ),
        ("missed", missed(found), Tone::Plain),
        match &found.judged {
            Some(judged) => {
                super::contracts_row(&counted(judged.runs, "run"), judged.policies, &judged.contract_findings)
            }
            None => ("contracts", "not judged: a sample has no complete runs".to_owned(), Tone::Plain),
        },
    ]);
    rows.extend(checkpoint_row(found, kept));
    rows.extend(kept.and_then(Kept::witnesses_row));
    rows.push(super::evidence_row(kept.is_some(), own));
    rows.extend(own.note.as_deref().map(super::own_row));
    facts(ui, &rows);
}

/// The advice about the findings.
fn advice(found: &Sampled) -> String {
    match found.judged {
        Some(_) => found.report.verdict().advice().to_owned(),
        None => "`evlog verify` without --sample reads everything, and shows where the problem is".to_owned(),
    }
}

/// What the checkpoint from elsewhere adds; without one, what a sample without findings cannot show.
fn checkpoint_row(found: &Sampled, kept: Option<&Kept>) -> Option<(&'static str, String, Tone)> {
    let row = |text, tone| Some(("checkpoint", text, tone));
    match kept {
        Some(kept) => {
            let Covered { size, .. } = kept.covered();
            let what = "the bytes that were read lead to the signed root";
            row(format!("covers {size} bytes; {what}"), Tone::Plain)
        }
        None if found.report.findings.count() > 0 => None,
        None => row(
            "none from elsewhere: a forger with new checksums, roots and notes is not detected".to_owned(),
            Tone::Warning,
        ),
    }
}

/// The confidence of the sample, in words.
fn missed(found: &Sampled) -> String {
    if found.taken == found.sealed {
        return "nothing: every segment was read".to_owned();
    }
    let enough = found.missed_at_most(SELDOM);
    let said = |wrong: u64| format!("{}.{:04}", found.missed(wrong) / 1_000_000, found.missed(wrong) % 1_000_000 / 100);
    format!(
        "if 1 of the {} sealed segments were damaged, such a sample would miss it with probability {}; if {enough} were \
         damaged, it would miss all of them with probability {}",
        found.sealed,
        said(1),
        said(enough)
    )
}

fn object<'a>(
    found: &'a Sampled,
    chosen: Sample,
    kept: Option<&'a Kept>,
    own: &Judged,
    good: bool,
) -> SampledObject<'a> {
    let report = &found.report;
    let missed = |wrong: u64| MissedObject { segments: wrong, parts_per_million: found.missed(wrong) };
    SampledObject {
        verdict: report.verdict().word(),
        good,
        log_id: report.log_id.map(|id| id.to_string()),
        sample: SampleObject {
            parts_per_million: chosen.parts_per_million,
            seed: chosen.seed,
            sealed: found.sealed,
            taken: found.taken,
            rooted: found.rooted,
            missed: [missed(1), missed(found.missed_at_most(SELDOM))],
        },
        bytes: report.size,
        log_bytes: found.log_bytes,
        commits: report.commits,
        events: report.events,
        findings_count: report.findings.count(),
        findings: super::finding_objects(report),
        runs: found.judged.as_ref().map(|judged| judged.runs),
        contract_findings: found.judged.as_ref().map(|judged| super::contract_objects(&judged.contract_findings)),
        checkpoint: kept.map(Kept::object),
        own_checkpoint: own.note.as_ref().map(|path| path.display().to_string()),
        evidence: super::evidence_object(kept.is_some(), own),
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_is_more_than_nothing_and_at_most_all() {
        for (text, expected) in
            [("1%", 10_000), ("100%", 1_000_000), ("0.25%", 2500), ("0.0001%", 1), ("12.5%", 125_000)]
        {
            assert_eq!(share(text), Ok(expected), "{text}");
        }
        for text in ["0%", "0.0%", "101%", "100.0001%", "1", "%", "-1%", "1e2%", ".5%", "5.%", "0.00001%", "1 %"] {
            assert!(share(text).unwrap_err().contains(&format!("found {text:?}")), "{text}");
        }
    }
}
