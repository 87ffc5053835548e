//! What must hold of a run between its interruption and its resumption, and after its end.

use super::*;
use evlog_lifecycle::pipeline::Pipeline;
use std::num::NonZeroUsize;

type Files = BTreeMap<String, Vec<u8>>;

fn view(room: &Path) -> Result<View, String> {
    let contracts = Contracts::default().with(Pipeline::default());
    View::open(room.join("log"), contracts).map_err(|error| error.to_string())
}

fn bundle(room: &Path) -> PathBuf {
    room.join("out/runs").join(RUN)
}

/// The number of times that each stage has run.
fn ran(room: &Path) -> BTreeMap<String, usize> {
    let text = fs::read_to_string(room.join("ran")).unwrap_or_default();
    text.lines().fold(BTreeMap::new(), |mut ran, line| {
        *ran.entry(line.to_owned()).or_default() += 1;
        ran
    })
}

fn json(files: &Files, path: &str) -> Value {
    files.get(path).map_or(Value::Null, |bytes| serde_json::from_slice(bytes).unwrap_or(Value::Null))
}

/// A run whose process was ended.
pub(super) struct Middle {
    pub(super) has_ended: bool,
    /// The stages that have an outcome, and how often they have run.
    finished: BTreeMap<String, usize>,
    /// The stages that have begun, and have no outcome.
    begun: Vec<String>,
}

impl Middle {
    /// What the log and the bundle hold. An error if the bundle shows more than the log.
    pub(super) fn read(room: &Path) -> Result<Middle, String> {
        let nothing = Middle { has_ended: false, finished: BTreeMap::new(), begun: Vec::new() };
        if !room.join("log").exists() {
            return Ok(nothing);
        }
        // A process may have been ended before the log's first commit.
        let Ok(view) = view(room) else { return Ok(nothing) };
        let fold = view.run(RUN).map_err(|error| error.to_string())?;
        let Some(state) = fold.as_ref().and_then(|fold| fold.state::<Pipeline>()) else {
            let untouched = !bundle(room).exists();
            return if untouched { Ok(nothing) } else { Err("a bundle of a run that is not in the log".to_owned()) };
        };
        let ran = ran(room);
        let stages = ["one", "two", "three"].map(str::to_owned).into_iter();
        let (finished, rest): (Vec<_>, Vec<_>) = stages.partition(|stage| state.outcome(stage).is_some());
        let intended: Vec<String> = ["one", "two", "three"]
            .iter()
            .flat_map(|stage| state.intended(stage).unwrap_or_default())
            .map(|artifact| artifact.path.clone())
            .collect();
        for path in files(&bundle(room)).keys() {
            let own = ["run.json", "manifest.json", "audit_events.jsonl"].contains(&path.as_str())
                || path.starts_with("logs/")
                || path.starts_with('.');
            if !own && !intended.contains(path) {
                return Err(format!("`{path}` stands in the bundle, and no intent names it"));
            }
        }
        let status = json(&files(&bundle(room)), "manifest.json")["status"].clone();
        if state.ended_as().is_none() && !status.is_null() {
            return Err(format!("`manifest.json` says {status}, and the run has not ended"));
        }
        Ok(Middle {
            has_ended: state.ended_as().is_some(),
            finished: finished
                .into_iter()
                .map(|stage| (stage.clone(), ran.get(&stage).copied().unwrap_or(0)))
                .collect(),
            begun: rest.into_iter().filter(|stage| state.attempts(stage) > 0).collect(),
        })
    }
}

/// The files below a directory, by path.
fn files(directory: &Path) -> Files {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()).into_iter().map(|(path, bytes)| (format!("{name}/{path}"), bytes)));
        } else {
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    found
}

/// A run that has ended.
pub(super) struct Ended {
    files: Files,
    ran: BTreeMap<String, usize>,
}

impl Ended {
    /// What a run that has ended left. An error if log and bundle do not agree.
    pub(super) fn read(room: &Path) -> Result<Ended, String> {
        let view = view(room)?;
        let replay = evlog::replay::replay(&view, NonZeroUsize::MIN, &mut |_| {}).map_err(|error| error.to_string())?;
        if !replay.differences.is_empty() || !replay.errors.is_empty() {
            return Err(format!("the log does not replay: {replay:?}"));
        }
        let projected = view.bundle(RUN).map_err(|error| error.to_string())?.ok_or("no run")?;
        let found = files(&bundle(room));
        let mut expected: BTreeSet<String> = projected.files.keys().cloned().collect();
        for (path, file) in &projected.files {
            if found.get(path) != Some(&file.bytes) {
                return Err(format!("`{path}` is not what the log projects"));
            }
        }
        let run = json(&found, "run.json");
        for list in ["artifacts", "captured"] {
            for held in run[list].as_array().ok_or("no run.json")? {
                let path = held["path"].as_str().unwrap_or_default().to_owned();
                let digest = found.get(&path).map(|bytes| blake3::hash(bytes).to_hex().to_string());
                if digest.as_deref() != held["blake3"].as_str() {
                    return Err(format!("`{path}` is not what the log says of it"));
                }
                expected.insert(path);
            }
        }
        let there: BTreeSet<String> = found.keys().cloned().collect();
        if there != expected {
            return Err(format!("expected the files {expected:?}, found {there:?}"));
        }
        let locks: Vec<String> = files(&room.join("out/runs/.locks")).into_keys().collect();
        match locks.iter().find(|name| !name.contains(".lock.stale.")) {
            Some(name) => Err(format!("`{name}` is left")),
            None => Ok(Ended { files: found, ran: ran(room) }),
        }
    }

    /// Checks that a run that was resumed ended as an uninterrupted run could have: it has the same files except for times,
    /// attempts and locks, it ran no finished stage again, and its log says what happened. Returns the difference as an error.
    pub(super) fn differs(&self, whole: &Ended, middle: &Middle) -> Result<(), String> {
        let [found, expected] = [self, whole].map(|ended| ended.files.keys().collect::<Vec<_>>());
        if found != expected {
            return Err(format!("expected the files {expected:?}, found {found:?}"));
        }
        for (path, bytes) in &whole.files {
            let (found, expected) = (plain(path, &self.files[path]), plain(path, bytes));
            // Output is appended to a file: the output of an earlier attempt comes before it.
            let same = if path.strip_suffix(".log").is_some() { found.ends_with(&expected) } else { found == expected };
            if !same {
                return Err(format!("`{path}`: expected {expected}, found {found}"));
            }
        }
        if let Some(stage) = self.ran.keys().find(|stage| !whole.ran.contains_key(*stage)) {
            return Err(format!("stage `{stage}` was to be reused, or not to run, and ran"));
        }
        for (stage, count) in &middle.finished {
            let now = self.ran.get(stage).copied().unwrap_or(0);
            if now != *count {
                return Err(format!("stage `{stage}` was finished, and ran again"));
            }
        }
        let stages = json(&self.files, "run.json")["stages"].clone();
        for stage in &middle.begun {
            let of = stages.as_array().into_iter().flatten().find(|of| of["stage"] == stage.as_str());
            let of = of.ok_or("no such stage")?;
            let (again, settled) = (of["attempts"].as_u64() > Some(1), of["reconciled"] == true);
            if !again && !settled && of["state"] == "success" {
                return Err(format!("nothing tells that stage `{stage}` was interrupted: {of}"));
            }
        }
        Ok(())
    }
}

/// A file without what may differ between two executions.
fn plain(path: &str, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    if path == "audit_events.jsonl" {
        return String::new();
    }
    let Ok(mut value) = serde_json::from_str::<Value>(&text) else { return text };
    strip(&mut value, path == "run.json");
    value.to_string()
}

fn strip(value: &mut Value, is_run: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| strip(item, is_run)),
        Value::Object(members) => {
            members.retain(|name, value| {
                let time = name.ends_with("_at_utc");
                let history =
                    is_run && ["attempts", "reconciled", "seq", "first_seq", "captured"].contains(&name.as_str());
                let lock = name == "run_lock" || (name == "v" && *value == 1);
                !time && !history && !lock
            });
            members.values_mut().for_each(|value| strip(value, is_run));
        }
        _ => {}
    }
}
