//! The publish gate of pipelines: many small files, and one large file of JSON Lines, through a whole run.
//!
//! Does: run plans through `evlog-pipeline` as `evlog run` does, and time a stage from the last line that it prints to
//! its recorded outcome: its end, the gate, the log's commits, promotion, projections. Beside it, in turns, what the same
//! files cost without evlog.
//! Does not: judge; the figures that were asked for are in the page of a kept result.

use evlog::View;
use evlog_lifecycle::pipeline::Pipeline;
use evlog_pipeline::{Claim, Options, Plan, Progress, Session};
use evlog_projection::Contracts;
use evlog_works::Done;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The usage text.
pub const USAGE: &str = "\
  gate [OPTIONS]               the publish gate: files that are promoted, lines that are validated
      --files N       staged files [default: 10000]
      --mib N         length of the JSON Lines artifact, in MiB [default: 100]
      --rounds N      how often each figure is taken [default: 5]
      --dir DIR       where they are written [default: the system's temporary directory]
";

/// Files in one directory.
const PER_DIRECTORY: u64 = 100;

const SCHEMA: &str = r#"{"type":"object","required":["id","name","amount"],"additionalProperties":false,
"properties":{"id":{"type":"integer","minimum":0},"name":{"type":"string","maxLength":80},
"amount":{"type":"number"},"tags":{"type":"array","items":{"type":"string"}}}}"#;

struct Typed {
    files: u64,
    mib: u64,
    rounds: u32,
    dir: PathBuf,
}

fn parse(arguments: &[String]) -> Done<Typed> {
    let mut typed = Typed { files: 10_000, mib: 100, rounds: 5, dir: std::env::temp_dir() };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("expected a value after `{argument}`"));
        match argument.as_str() {
            "--files" => typed.files = value()?.parse()?,
            "--mib" => typed.mib = value()?.parse()?,
            "--rounds" => typed.rounds = value()?.parse()?,
            "--dir" => typed.dir = value()?.into(),
            other => return Err(format!("no such option `{other}`\n{USAGE}").into()),
        }
    }
    Ok(typed)
}

/// In a child of a run: the stage. Writes what it is to write into its staging directory, and says that it is ready.
pub fn stage(arguments: &[String]) -> Done<()> {
    let staging = PathBuf::from(std::env::var_os("EVLOG_STAGING_DIR").ok_or("expected to be a stage of a run")?);
    match arguments {
        [what, count] if what == "files" => write_files(&staging, count.parse()?)?,
        [what, count] if what == "lines" => write_lines(&staging.join("rows.jsonl"), count.parse()?)?,
        _ => return Err("expected `files N` or `lines MIB`".into()),
    }
    writeln!(io::stdout(), "ready")?;
    Ok(())
}

fn write_files(staging: &Path, count: u64) -> io::Result<()> {
    for index in 0..count {
        let directory = staging.join(format!("out/{:04}", index / PER_DIRECTORY));
        if index % PER_DIRECTORY == 0 {
            fs::create_dir_all(&directory)?;
        }
        fs::write(directory.join(format!("{index:06}.txt")), format!("the content of file {index}\n").repeat(40))?;
    }
    Ok(())
}

fn write_lines(path: &Path, mib: u64) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let (mut written, mut index) = (0, 0_u64);
    while written < mib << 20 {
        let line = format!(
            "{{\"id\":{index},\"name\":\"customer number {index} of the year\",\"amount\":{}.25,\"tags\":[\"a\",\"bc\",\"def\"]}}\n",
            index % 10_000
        );
        out.write_all(line.as_bytes())?;
        written += line.len() as u64;
        index += 1;
    }
    out.flush()
}

/// The cost of a work.
#[derive(Clone, Copy)]
struct Took {
    seconds: f64,
    /// Seconds of processor time.
    busy: f64,
}

/// Begins to time.
struct Timer(Instant, f64);

impl Timer {
    fn start() -> Timer {
        Timer(Instant::now(), processor_seconds().unwrap_or(0.0))
    }

    fn took(&self) -> Took {
        Took { seconds: self.0.elapsed().as_secs_f64(), busy: processor_seconds().unwrap_or(0.0) - self.1 }
    }
}

/// One run of a plan with one stage, timed from the last line that the stage prints to its outcome.
fn run_once(room: &Path, stage: &[&str], outputs: &str) -> Done<Took> {
    let program = std::env::current_exe()?;
    let command: Vec<String> = [program.to_str().ok_or("expected a program in UTF-8")?, "gate-stage"]
        .iter()
        .chain(stage)
        .map(|word| format!("{word:?}"))
        .collect();
    fs::write(room.join("row.json"), SCHEMA)?;
    fs::write(
        room.join("plan.toml"),
        format!(
            "name = \"gate\"\n[[schema]]\nid = \"row\"\nfile = \"row.json\"\nmode = \"jsonl_lines\"\n\
             [[stage]]\nid = \"make\"\nreason_code = \"input_missing\"\ncommand = [{}]\n{outputs}",
            command.join(", ")
        ),
    )?;
    let plan = Plan::load(&room.join("plan.toml"))?;
    let contracts = || Contracts::default().with(Pipeline::default());
    let log = evlog::Options::new("bench").open(room.join("log"), contracts())?;
    let mut view = View::open(room.join("log"), contracts())?;
    let options = Options::default();
    let mut claim = Claim::take(&room.join("out"), None, &options.steps)?;
    let (mut ready, mut took) = (None, None);
    let session = Session { log: &log, view: &mut view };
    let report = evlog_pipeline::run(&plan, session, &mut claim, &options, &mut |progress| match progress {
        Progress::OutputLine { line: "ready", .. } => ready = Some(Timer::start()),
        Progress::OutcomeRecorded { .. } => took = ready.as_ref().map(Timer::took),
        _ => {}
    })?;
    log.close()?;
    if report.exit_code != 0 {
        return Err(format!("expected a run that succeeds, found {:?}", report.outcomes).into());
    }
    Ok(took.ok_or("expected an outcome after `ready`")?)
}

/// Measures the cost of the same files without evlog and without syncing them: each is hashed and renamed, and the
/// directories are synced.
fn floor_of_files(room: &Path, count: u64) -> Done<Took> {
    let (staging, bundle) = (room.join("staging"), room.join("bundle"));
    write_files(&staging, count)?;
    let began = Timer::start();
    let mut directories = BTreeSet::new();
    let mut digests = Vec::new();
    for index in 0..count {
        let relative = format!("out/{:04}/{index:06}.txt", index / PER_DIRECTORY);
        digests.push(blake3::hash(&fs::read(staging.join(&relative))?));
    }
    for index in 0..count {
        let directory = bundle.join(format!("out/{:04}", index / PER_DIRECTORY));
        if directories.insert(directory.clone()) {
            fs::create_dir_all(&directory)?;
        }
        let name = format!("{index:06}.txt");
        fs::rename(staging.join(format!("out/{:04}", index / PER_DIRECTORY)).join(&name), directory.join(&name))?;
    }
    for directory in &directories {
        File::open(directory)?.sync_all()?;
    }
    Ok(began.took())
}

/// Measures the time to read every line as a JSON value, and to do nothing with it.
fn floor_of_lines(path: &Path) -> Done<Took> {
    let began = Timer::start();
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path)?);
    let (mut line, mut objects) = (Vec::new(), 0_u64);
    while reader.read_until(b'\n', &mut line)? > 0 {
        objects += u64::from(serde_json::from_slice::<serde_json::Value>(&line)?.is_object());
        line.clear();
    }
    if objects == 0 {
        return Err("expected objects".into());
    }
    Ok(began.took())
}

/// The most memory that this process has had since [`forget_memory`], in KiB; none where the system does not say.
fn memory_peak() -> Option<u64> {
    let mut status = String::new();
    File::open("/proc/self/status").and_then(|mut file| file.read_to_string(&mut status)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Seconds of processor time that this process has used so far, its children excepted; none where the system does not say.
/// Beside other programs it says more than a stopwatch.
fn processor_seconds() -> Option<f64> {
    // Linux reports hundredths of a second.
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_A_SECOND)
}

fn forget_memory() {
    // If the system does not know this, the peak of the whole process is used.
    let _unknown = fs::write("/proc/self/clear_refs", "5");
}

fn median(works: &[Took], of: impl Fn(&Took) -> f64) -> f64 {
    let mut values: Vec<f64> = works.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A work: its name, its size, how it is done.
type Turn<'t> = (&'t str, &'t str, &'t dyn Fn() -> Done<Took>);

/// Takes every figure in turns, and prints each with the medians.
pub fn gate(arguments: &[String]) -> Done<()> {
    let typed = parse(arguments)?;
    let mut out = io::stdout().lock();
    writeln!(out, "work\tround\tsize\tseconds\tprocessor_seconds\tmemory_peak_kib")?;
    let mut works: [Vec<Took>; 6] = Default::default();
    let (count, mib) = (typed.files.to_string(), typed.mib.to_string());
    let small = (typed.mib / 10).max(1).to_string();
    let bound = "[[stage.output]]\npath = \"rows.jsonl\"\nschema = \"row\"\n";
    let room = || tempfile::tempdir_in(&typed.dir);
    let floor = room()?;
    write_lines(&floor.path().join("rows.jsonl"), typed.mib)?;
    let turns: [Turn<'_>; 6] = [
        ("files", &count, &|| run_once(room()?.path(), &["files", &count], "")),
        ("files-floor", &count, &|| floor_of_files(room()?.path(), typed.files)),
        ("lines", &mib, &|| run_once(room()?.path(), &["lines", &mib], bound)),
        ("lines-floor", &mib, &|| floor_of_lines(&floor.path().join("rows.jsonl"))),
        ("lines-unchecked", &mib, &|| run_once(room()?.path(), &["lines", &mib], "")),
        ("lines-tenth", &small, &|| run_once(room()?.path(), &["lines", &small], bound)),
    ];
    for round in 1..=typed.rounds {
        for ((work, size, turn), all) in turns.iter().zip(&mut works) {
            forget_memory();
            let took = turn()?;
            let peak = memory_peak().map_or("-".to_owned(), |peak| peak.to_string());
            writeln!(out, "{work}\t{round}\t{size}\t{:.3}\t{:.2}\t{peak}", took.seconds, took.busy)?;
            all.push(took);
        }
    }
    let [files, files_floor, lines, lines_floor, unchecked, _] = &works;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred MiB")]
    let megabytes = (typed.mib << 20) as f64 / 1e6;
    let seconds = |works: &[Took]| median(works, |took| took.seconds);
    let busy = |works: &[Took]| median(works, |took| took.busy);
    writeln!(
        out,
        "median\tfiles\t{:.2} s, {:.2} s of the processor, {:.1} times the floor",
        seconds(files),
        busy(files),
        seconds(files) / seconds(files_floor)
    )?;
    let checking = busy(lines) - busy(unchecked);
    writeln!(
        out,
        "median\tlines\t{:.2} s, {:.0} MB/s; to validate: {checking:.2} s of the processor, {:.0} MB/s, {:.2} times \
         reading every line",
        seconds(lines),
        megabytes / seconds(lines),
        megabytes / checking,
        checking / busy(lines_floor)
    )?;
    Ok(())
}
