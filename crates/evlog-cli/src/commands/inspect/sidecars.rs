//! Every derived file, and whether it agrees with the log.

use super::{HELP, Inspected, overview, within};
use crate::error::{CommandError, Verdict};
use crate::formats::Format;
use crate::json::SidecarLine;
use crate::reports::{Answer, Finding, Rule};
use crate::table::{self, Cell};
use crate::ui::{Tone, Ui, Unit};
use evlog::LogError;
use evlog_store::StdFs;
use evlog_store::repair::{Sidecar, Standing, Survey};
use std::cell::OnceCell;
use std::path::Path;
use std::sync::Arc;

pub(super) fn show(ui: &mut Ui, inspected: &Inspected<'_>) -> Result<Verdict, CommandError> {
    let Inspected { log, format, inspection } = *inspected;
    let bar = OnceCell::new();
    let survey = Survey::look(Arc::new(StdFs), log, &mut |done, total| {
        bar.get_or_init(|| ui.progress("inspect", total, Unit::Bytes)).at(done);
    });
    drop(bar);
    let survey = survey.map_err(LogError::from)?;
    if survey.is_moving() {
        let message = "a writer changed the files during every attempt to read them, so they could not be compared";
        return Err(CommandError::user(message).hint("try again, or wait until the writer has ended"));
    }
    let spoilt: Vec<&Sidecar> = survey.sidecars().iter().filter(|sidecar| !is_good(&sidecar.standing)).collect();
    let verdict = Verdict::of(spoilt.is_empty() && overview::is_sound(inspection));
    match format {
        Format::Text => print(ui, log, survey.sidecars(), &spoilt),
        Format::Json => survey.sidecars().iter().for_each(|sidecar| ui.json(&line(log, sidecar))),
        Format::Own(kind) => {
            let mut report = inspected.report();
            let rule = Rule::new("sidecars", "every derived file agrees with the log", HELP).warning();
            report.asked(rule, Answer::found(spoilt.iter().map(|sidecar| found(log, sidecar))));
            report.print(ui, kind);
            return Ok(verdict);
        }
    }
    overview::findings(ui, log, inspection);
    Ok(verdict)
}

fn print(ui: &mut Ui, log: &Path, all: &[Sidecar], spoilt: &[&Sidecar]) {
    let rows: Vec<Vec<Cell>> = all.iter().map(|sidecar| row(log, sidecar)).collect();
    table::print(ui, &["FILE", "STANDING", "WHAT IT SAYS"], &rows);
    for sidecar in spoilt {
        ui.finding(found(log, sidecar).sentence);
    }
    if !spoilt.is_empty() {
        ui.advise(
            "derived files hold no events of their own: `evlog repair` rebuilds them from the readable part of the log",
        );
    }
}

fn found(log: &Path, sidecar: &Sidecar) -> Finding {
    let (file, reason) = (within(log, &sidecar.path), reason(&sidecar.standing).unwrap_or_default());
    Finding { sentence: format!("`{file}`: {reason}"), file, found: reason.to_owned(), ..Finding::default() }
}

fn is_good(standing: &Standing) -> bool {
    matches!(standing, Standing::Holds | Standing::NotNeeded | Standing::Outdated)
}

fn reason(standing: &Standing) -> Option<&str> {
    match standing {
        Standing::Spoilt(reason) => Some(reason),
        Standing::Missing => Some("there is none"),
        Standing::Unknown => Some("the segment cannot be read, so it cannot be compared"),
        Standing::Holds | Standing::NotNeeded | Standing::Outdated => None,
    }
}

fn line<'a>(log: &Path, sidecar: &'a Sidecar) -> SidecarLine<'a> {
    SidecarLine {
        what: "sidecar",
        kind: sidecar.kind,
        path: within(log, &sidecar.path),
        segment: sidecar.segment.0,
        standing: sidecar.standing.word(),
        says: Some(sidecar.says.as_str()).filter(|says| !says.is_empty()),
        wrong: reason(&sidecar.standing),
    }
}

fn row(log: &Path, sidecar: &Sidecar) -> Vec<Cell> {
    let tone = match sidecar.standing {
        Standing::Holds => Tone::Good,
        Standing::NotNeeded | Standing::Outdated => Tone::Faint,
        Standing::Missing | Standing::Spoilt(_) | Standing::Unknown => Tone::Warning,
    };
    let word = sidecar.standing.word().replace('_', " ");
    vec![(within(log, &sidecar.path), Tone::Strong), (word, tone), (sidecar.says.clone(), Tone::Plain)]
}
