//! Every derived file, and whether it agrees with the log.

use super::{overview, within};
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::SidecarLine;
use crate::table::{self, Cell};
use crate::ui::{Tone, Ui, Unit};
use evlog::LogError;
use evlog_store::StdFs;
use evlog_store::inspect::Inspection;
use evlog_store::repair::{Sidecar, Standing, Survey};
use std::cell::OnceCell;
use std::sync::Arc;

pub(super) fn show(ui: &mut Ui, context: &Context, inspection: &Inspection) -> Result<Verdict, CommandError> {
    let bar = OnceCell::new();
    let survey = Survey::look(Arc::new(StdFs), &context.log, &mut |done, total| {
        bar.get_or_init(|| ui.progress("inspect", total, Unit::Bytes)).at(done);
    });
    drop(bar);
    let survey = survey.map_err(LogError::from)?;
    if survey.is_moving() {
        let message = "a writer changed the files during every attempt to read them, so they could not be compared";
        return Err(CommandError::user(message).hint("try again, or wait until the writer has ended"));
    }
    if context.json {
        survey.sidecars().iter().for_each(|sidecar| ui.json(&line(context, sidecar)));
    } else {
        let rows: Vec<Vec<Cell>> = survey.sidecars().iter().map(|sidecar| row(context, sidecar)).collect();
        table::print(ui, &["FILE", "STANDING", "WHAT IT SAYS"], &rows);
    }
    let spoilt: Vec<&Sidecar> = survey.sidecars().iter().filter(|sidecar| !is_good(&sidecar.standing)).collect();
    if !context.json {
        for sidecar in &spoilt {
            if let Some(reason) = reason(&sidecar.standing) {
                ui.finding(format_args!("`{}`: {reason}", within(context, &sidecar.path)));
            }
        }
        if !spoilt.is_empty() {
            ui.advise(
                "derived files hold no events of their own: `evlog repair` rebuilds them from the readable part of the log",
            );
        }
    }
    overview::findings(ui, context, inspection);
    Ok(Verdict::of(spoilt.is_empty() && overview::is_sound(inspection)))
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

fn line<'a>(context: &Context, sidecar: &'a Sidecar) -> SidecarLine<'a> {
    SidecarLine {
        what: "sidecar",
        kind: sidecar.kind,
        path: within(context, &sidecar.path),
        segment: sidecar.segment.0,
        standing: sidecar.standing.word(),
        says: Some(sidecar.says.as_str()).filter(|says| !says.is_empty()),
        wrong: reason(&sidecar.standing),
    }
}

fn row(context: &Context, sidecar: &Sidecar) -> Vec<Cell> {
    let tone = match sidecar.standing {
        Standing::Holds => Tone::Good,
        Standing::NotNeeded | Standing::Outdated => Tone::Faint,
        Standing::Missing | Standing::Spoilt(_) | Standing::Unknown => Tone::Warning,
    };
    let word = sidecar.standing.word().replace('_', " ");
    vec![(within(context, &sidecar.path), Tone::Strong), (word, tone), (sidecar.says.clone(), Tone::Plain)]
}
