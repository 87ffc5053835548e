//! `evlog run --init`: writes a starter plan that can run at once.
//!
//! Invariant: no file is overwritten. If one exists, none is written.

use crate::error::{CommandError, Verdict};
use crate::files;
use crate::json::StarterObject;
use crate::shell::quoted;
use crate::ui::{Text, Tone, Ui};
use std::fs;
use std::path::Path;

const PLAN: &str = "plan.toml";
const FILES: [(&str, &str); 3] = [
    (PLAN, include_str!("../../../data/starter/plan.toml")),
    ("parcel.schema.json", include_str!("../../../data/starter/parcel.schema.json")),
    ("report.schema.json", include_str!("../../../data/starter/report.schema.json")),
];

pub(super) fn write(ui: &mut Ui, json: bool, directory: &Path) -> Result<Verdict, CommandError> {
    let paths = FILES.map(|(name, text)| (spelled(directory, name), text));
    if let Some((taken, _)) = paths.iter().find(|(path, _)| fs::symlink_metadata(path).is_ok()) {
        let refused = CommandError::user(format!("`{taken}` exists; nothing was written"));
        return Err(refused.hint("name another directory: `evlog run --init DIR`"));
    }
    files::make_dir(directory)?;
    // All are written under temporary names first: after a full disk, nothing blocks the next attempt.
    let drafts: Vec<_> = paths
        .iter()
        .map(|(path, text)| Ok((path, files::draft(Path::new(path), files::MODE, text.as_bytes())?)))
        .collect::<Result<_, CommandError>>()?;
    for (path, draft) in drafts {
        // A file created since the check above is not overwritten either.
        draft.persist_noclobber(path).map_err(|error| CommandError::file("write", path, &error.error))?;
    }
    let files: Vec<&str> = paths.iter().map(|(path, _)| path.as_str()).collect();
    if json {
        ui.json(&StarterObject { files: &files });
    } else {
        for file in &files {
            ui.line(Text::default().toned(Tone::Faint, "wrote").plain("  ").plain(file));
        }
    }
    ui.flush();
    let plan = quoted(&spelled(directory, PLAN));
    ui.advise(&format!("`evlog run {plan}` runs it; its comments explain what to change"));
    ui.advise("then `evlog explain RUN` explains why the run ended as it did");
    Ok(Verdict::Yes)
}

/// The path as a person would type it.
fn spelled(directory: &Path, name: &str) -> String {
    if directory == Path::new(".") { name.to_owned() } else { directory.join(name).display().to_string() }
}
