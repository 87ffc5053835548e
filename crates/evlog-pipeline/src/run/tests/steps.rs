//! A run whose process is ended before each of its steps, and that another process resumes: it ends as it would have ended.
//!
//! The process that ends is this test binary again, with [`CHILD`] set. Plans and steps are data. The checks return a
//! message instead of failing, so that tests can show that they detect orchestrators that are broken on purpose.

mod checks;

use super::*;
use checks::{Ended, Middle};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

/// Tells this binary to run the plan in a directory, and to end itself before a step: `<step> <breach> <directory>`.
const CHILD: &str = "EVLOG_ENDS_BEFORE_STEP";

/// What an orchestrator that is broken on purpose does before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breach {
    None,
    /// It promotes before the intent is committed.
    PromotesEarly,
    /// It shows an end that is not committed.
    EndsEarly,
}

const BREACHES: [(&str, Breach); 3] =
    [("none", Breach::None), ("promotes", Breach::PromotesEarly), ("ends", Breach::EndsEarly)];

/// Plans by name. Every stage notes in a file beside the plan that it runs.
fn plans() -> Vec<(&'static str, String)> {
    let files =
        "mkdir -p $EVLOG_STAGING_DIR/d/e; for f in a d/b d/e/c; do echo $f > $EVLOG_STAGING_DIR/$f; done; echo made";
    let rows = "mkdir $EVLOG_STAGING_DIR/rows; echo '{\"a\":1}' > $EVLOG_STAGING_DIR/rows/all.jsonl";
    let reported = |code: &str, mode: &str| {
        format!(
            "echo '{{\"stage\":\"two.part\",\"status\":\"failed\",\"fail_mode\":\"{mode}\",\"reason_code\":\"{code}\"}}' > $EVLOG_OUTCOMES"
        )
    };
    let output = |path: &str| format!("[[stage.output]]\npath = \"{path}\"\n");
    let warned = format!("{files}; exit 1");
    let only_warns = format!("fail_mode = \"warn_and_skip\"\n{}{}", output("a"), output("d/b"));
    let three = [output("a"), output("d/b"), output("d/e/c")].concat();
    let succeeds =
        "echo '{\"stage\":\"two.part\",\"status\":\"success\"}' > $EVLOG_OUTCOMES; echo 2 > $EVLOG_STAGING_DIR/two";
    let reads = "[[stage.input]]\npath = \"d/b\"\nfrom = \"run\"";
    vec![
        ("one stage", plan(&[(files, &three)])),
        (
            "substages",
            plan(&[
                (rows, ROWS),
                (&reported("part_broken", "warn_and_skip"), ""),
                (
                    "cp $EVLOG_RUN_DIR/rows/all.jsonl $EVLOG_STAGING_DIR/copy",
                    "[[stage.input]]\npath = \"rows/all.jsonl\"\nfrom = \"run\"",
                ),
            ]),
        ),
        (
            "gate",
            plan(&[
                NOTHING,
                ("mkdir $EVLOG_STAGING_DIR/rows; echo '{}' > $EVLOG_STAGING_DIR/rows/all.jsonl", ROWS),
                NOTHING,
            ]),
        ),
        ("fail open", plan(&[NOTHING, (&warned, &only_warns), (rows, ROWS)])),
        ("retry", plan(&[(files, &three), (succeeds, reads), (&format!("test -e $EVLOG_PLAN_DIR/{MENDED}"), "")])),
        ("fatal substage", plan(&[(rows, ROWS), (&reported("broken", "fail_closed"), ""), NOTHING])),
    ]
}

/// A file beside the plan. One plan's last stage looks for it, and fails without it.
const MENDED: &str = "mended";
/// The run that failed before it was mended.
const FAILED: &str = "22222222-2222-4222-8222-222222222222";

fn plan(stages: &[(&str, &str)]) -> String {
    let counted = ["one", "two", "three"].iter().zip(stages);
    let counted: Vec<(String, &str)> =
        counted.map(|(id, (script, keys))| (format!("echo {id} >> $EVLOG_PLAN_DIR/ran; {script}"), *keys)).collect();
    let stages: Vec<(&str, &str)> = counted.iter().map(|(script, keys)| (script.as_str(), *keys)).collect();
    super::plan(&stages)
}

/// A directory in memory if there is one. What `kill -9` leaves does not depend on syncs.
fn room(text: &str) -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let room = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let schema = r#"{"type":"object","required":["a"],"properties":{"a":{"type":"integer"}}}"#;
    fs::write(room.path().join("row.json"), schema).unwrap();
    fs::write(room.path().join("plan.toml"), text).unwrap();
    if text.contains(MENDED) {
        assert_eq!(go_as(FAILED, room.path(), &Steps::default()).unwrap().status, RunStatus::Failed);
        fs::write(room.path().join(MENDED), "").unwrap();
        fs::remove_file(room.path().join("ran")).unwrap();
    }
    room
}

/// Does what `evlog run` does, in its order: the lock, the log, the run. If there is a run already, resumes it. If a crash left
/// the lock, takes it over. A repaired plan retries the run that failed.
fn go(room: &Path, steps: &Steps) -> Result<RunReport, RunError> {
    go_as(RUN, room, steps)
}

fn go_as(id: &str, room: &Path, steps: &Steps) -> Result<RunReport, RunError> {
    let plan = Plan::load(&room.join("plan.toml")).unwrap();
    let out = room.join("out");
    let claim = match Claim::take(&out, Some(id), steps) {
        Err(RunError::Locked { .. }) => None,
        taken => Some(taken?),
    };
    let contracts = || Contracts::default().with(Pipeline::default());
    let log = evlog::Options::new("test").open(room.join("log"), contracts())?;
    log.begin()?;
    let mut view = View::open(room.join("log"), contracts())?;
    let recorded = stale_locks(&mut view, id)?;
    let mut claim = claim.map_or_else(|| Claim::force(&out, id, &recorded, steps), Ok)?;
    let retry = room.join(MENDED).exists().then(|| Retry { of: FAILED.to_owned(), from: None });
    let options = Options { steps: steps.clone(), retry, ..Options::default() };
    let known = view.run_names()?.contains(&id.to_owned());
    let session = Session { log: &log, view: &mut view };
    let begin = if known { resume } else { run };
    let done = begin(&plan, session, &mut claim, &options, &mut |_| {});
    log.close()?;
    done
}

/// Not a claim: a process of the other tests, when it is started as one.
#[test]
fn a_process_that_ends_before_a_requested_step() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let mut order = order.splitn(3, ' ');
    let end: usize = order.next().unwrap().parse().unwrap();
    let breach = order.next().and_then(|word| BREACHES.iter().find(|(known, _)| *known == word)).unwrap().1;
    let room = PathBuf::from(order.next().unwrap());
    let (count, at) = (AtomicUsize::new(0), room.clone());
    let steps = Steps::observed_by(move |step| {
        if count.fetch_add(1, Ordering::SeqCst) == end {
            commit_breach(breach, step, &at);
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
    });
    let done = go(&room, &steps);
    panic!("there is no step {end}: {done:?}");
}

fn commit_breach(breach: Breach, step: Step, room: &Path) {
    let bundle = room.join("out/runs").join(RUN);
    match (breach, step) {
        (Breach::PromotesEarly, Step::CommitIntended) => {
            fs::rename(bundle.join(".staging/one/a"), bundle.join("a")).unwrap();
        }
        (Breach::EndsEarly, Step::CommitFinalized) => {
            fs::write(bundle.join("manifest.json"), r#"{"status":"success"}"#).unwrap();
        }
        _ => {}
    }
}

/// Runs or resumes in a separate process, which ends before a step.
fn ended_before(room: &Path, step: usize, breach: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "run::tests::steps::a_process_that_ends_before_a_requested_step", "--nocapture"]);
    child.env(CHILD, format!("{step} {breach} {}", room.display())).stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = child.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.signal(), Some(9), "step {step}: {said}");
}

/// The steps that `go` takes in a room.
fn steps_of(room: &Path) -> (Vec<Step>, Result<RunReport, RunError>) {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let reported = steps.clone();
    let done = go(room, &Steps::observed_by(move |step| reported.lock().unwrap().push(step)));
    let steps = std::mem::take(&mut *steps.lock().unwrap());
    (steps, done)
}

/// A run that was not ended from outside: its steps, and what it left.
struct Whole {
    name: &'static str,
    text: String,
    steps: Vec<Step>,
    ended: Ended,
}

static WHOLE: LazyLock<Vec<Whole>> = LazyLock::new(|| {
    let whole = |(name, text): (&'static str, String)| {
        let room = room(&text);
        let (steps, done) = steps_of(room.path());
        done.unwrap_or_else(|error| panic!("{name}: {error}"));
        Whole { name, text, steps, ended: Ended::read(room.path()).unwrap() }
    };
    plans().into_iter().map(whole).collect()
});

/// Ends a run before a step, resumes it, and reports what is wrong.
fn check(whole: &Whole, step: usize, breach: &str) -> Result<(), String> {
    let room = room(&whole.text);
    ended_before(room.path(), step, breach);
    let middle = Middle::read(room.path())?;
    take_up(whole, room.path(), &[&middle])
}

/// Brings a run to its end whose processes were ended this many times.
fn take_up(whole: &Whole, room: &Path, middles: &[&Middle]) -> Result<(), String> {
    match go(room, &Steps::default()) {
        Ok(_) => {}
        // The run was ended when only its lock was left to be released.
        Err(RunError::Ended { .. }) if middles.iter().any(|middle| middle.has_ended) => {}
        Err(error) => return Err(format!("it was not resumed: {error}")),
    }
    let ended = Ended::read(room)?;
    middles.iter().try_for_each(|middle| ended.differs(&whole.ended, middle))
}

/// Checks every step, in two threads, because the machines of CI have two cores.
fn in_two_threads(steps: &[Step], check: impl Fn(usize) -> Result<(), String> + Sync) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let step = next.fetch_add(1, Ordering::SeqCst);
            let Some(word) = steps.get(step).map(|step| step.word()) else { return };
            if let Err(why) = check(step) {
                failed.lock().unwrap().push(format!("step {step}, {word}: {why}"));
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn check_all(name: &str) {
    let whole = WHOLE.iter().find(|whole| whole.name == name).unwrap();
    in_two_threads(&whole.steps, |step| check(whole, step, "none"));
}

#[test]
fn a_run_of_one_stage_that_is_ended_before_any_step_ends_as_if_it_had_not_been() {
    check_all("one stage");
}

#[test]
fn a_run_with_substages_that_is_ended_before_any_step_ends_as_if_it_had_not_been() {
    check_all("substages");
}

#[test]
fn a_run_whose_gate_fails_and_that_is_ended_before_any_step_ends_as_if_it_had_not_been() {
    check_all("gate");
}

#[test]
fn a_run_that_only_warns_and_is_ended_before_any_step_ends_as_if_it_had_not_been() {
    check_all("fail open");
}

#[test]
fn a_run_that_retries_another_and_is_ended_before_any_step_reuses_the_same() {
    // T-26.
    check_all("retry");
}

#[test]
fn a_run_with_a_fatal_substage_that_is_ended_before_any_step_ends_as_if_it_had_not_been() {
    check_all("fatal substage");
}

/// The steps before which an interruption leaves the most work for the process that resumes.
fn left_at(whole: &Whole) -> Vec<usize> {
    let nth =
        |step: Step, n: usize| whole.steps.iter().enumerate().filter(|(_, at)| **at == step).map(|(at, _)| at).nth(n);
    match whole.name {
        "one stage" => vec![nth(Step::Promote, 1), nth(Step::ForgetPlan, 0)],
        "retry" => vec![nth(Step::CopyTaken, 1), nth(Step::CommitTakenOver, 1), nth(Step::Promote, 1)],
        "fail open" => vec![nth(Step::CommitPublished, 1), nth(Step::StartStage, 1)],
        _ => Vec::new(),
    }
    .into_iter()
    .map(Option::unwrap)
    .collect()
}

/// A run that was interrupted before a step, copied for each step of its resumption.
fn check_taking_up(whole: &Whole, left: usize) -> Vec<Step> {
    let first = room(&whole.text);
    ended_before(first.path(), left, "none");
    let middle = Middle::read(first.path()).unwrap();
    let again = copy_of(first.path());
    let (steps, _) = steps_of(again.path());
    in_two_threads(&steps, |step| {
        let room = copy_of(first.path());
        ended_before(room.path(), step, "none");
        let again = Middle::read(room.path())?;
        let why = take_up(whole, room.path(), &[&middle, &again]);
        why.map_err(|why| format!("{}, ended before {left} and again before {step}: {why}", whole.name))
    });
    steps
}

fn copy_of(room: &Path) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                fs::create_dir_all(&target).unwrap();
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
    let target = self::room("");
    copy(room, target.path());
    target
}

#[test]
fn a_run_that_is_ended_before_any_step_of_its_resumption_ends_as_if_it_had_not_been() {
    let left = WHOLE.iter().flat_map(|whole| left_at(whole).into_iter().map(move |left| (whole, left)));
    let met: BTreeSet<Step> = left.flat_map(|(whole, left)| check_taking_up(whole, left)).collect();
    for step in [Step::SetLockAside, Step::CommitLockForced, Step::CommitReconciled, Step::EndProcesses, Step::Promote]
    {
        assert!(met.contains(&step), "{step:?}");
    }
}

#[test]
fn every_step_is_met_by_these_runs() {
    let taken_up = [Step::SetLockAside, Step::CommitLockForced, Step::EndProcesses, Step::CommitReconciled];
    let met: BTreeSet<Step> = WHOLE.iter().flat_map(|whole| whole.steps.iter().copied()).chain(taken_up).collect();
    let missed: Vec<&Step> = Step::ALL.iter().filter(|step| !met.contains(step)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn orchestrators_that_promote_before_the_intent_or_show_an_end_too_early_are_found_out() {
    let whole = &WHOLE[0];
    let at = |step: Step| whole.steps.iter().position(|at| *at == step).unwrap();
    assert_eq!(check(whole, at(Step::CommitIntended), "none"), Ok(()));
    let why = check(whole, at(Step::CommitIntended), "promotes").unwrap_err();
    assert!(why.contains("no intent names"), "{why}");
    assert_eq!(check(whole, at(Step::CommitFinalized), "none"), Ok(()));
    let why = check(whole, at(Step::CommitFinalized), "ends").unwrap_err();
    assert!(why.contains("manifest.json"), "{why}");
}

#[test]
fn the_page_lists_every_step() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/testing.md");
    let text = fs::read_to_string(&page).unwrap();
    let (begin, end) = ("<!-- begin generated: steps -->\n", "<!-- end generated: steps -->\n");
    let (before, rest) = text.split_once(begin).unwrap();
    let (found, after) = rest.split_once(end).unwrap();
    let row = |step: &Step| format!("| `{}` | {} | {} |\n", step.word(), step.does(), step.left());
    let rows: String = Step::ALL.iter().map(row).collect();
    let made = format!("| step | action | state if the process ends before the step |\n| --- | --- | --- |\n{rows}");
    if std::env::var_os("EVLOG_BLESS").is_some() {
        fs::write(&page, [before, begin, &made, end, after].concat()).unwrap();
    } else {
        assert_eq!(found, made, "docs/testing.md; EVLOG_BLESS=1 writes it");
    }
}
