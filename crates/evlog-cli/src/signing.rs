//! Signing checkpoints while a log is open for writing: once, at intervals, and before it is closed.
//!
//! Invariants:
//! - A checkpoint is stored in the log before it is published.
//! - No checkpoint is signed if nothing was added, so an idle log does not grow. Exception: its policy demands a recent
//!   checkpoint before a run can begin.

mod loss;
mod name;

use crate::error::CommandError;
use crate::keys;
use crate::metrics::Metrics;
use crate::notes;
use crate::outputs::{self, Made};
use crate::ui::{Colour, Errors, Ui, Unit, talk_of_a_child};
use clap::Args;
use evlog::Log;
use evlog::checkpoint::ReadBack;
use evlog::history::ClockCorrected;
use evlog_format::{FORMAT_VERSION, Position, Root, Seq};
use evlog_projection::time::{from_span, to_rfc3339};
use evlog_proof::{Algorithm, Checkpoint, CheckpointError, SignatureError, Signed, SignerKey, VerifierKey};
use std::cell::OnceCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::Duration;

/// Options of commands that write, and can sign checkpoints meanwhile.
#[derive(Args, Debug)]
pub(crate) struct SigningArgs {
    /// Sign checkpoints with this private key: at the end, and at each --checkpoint-every interval
    #[arg(long, env = "EVLOG_KEY", value_name = "FILE", hide_env_values = true)]
    pub(crate) key: Option<PathBuf>,
    /// Also sign a checkpoint at this interval, if events were added: `90s`, `5m`, `1h30m`. The log's policy can shorten
    /// the interval
    #[arg(long, value_name = "TIME", value_parser = interval, requires = "key")]
    pub(crate) checkpoint_every: Option<Duration>,
    /// Write each checkpoint to this file, replacing the previous one
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) checkpoint_out: Option<PathBuf>,
    /// Run this shell command for each checkpoint, with the checkpoint on its stdin
    #[arg(long, value_name = "COMMAND", requires = "key")]
    pub(crate) checkpoint_exec: Option<String>,
}

fn interval(text: &str) -> Result<Duration, String> {
    let ns = u64::try_from(from_span(text)?).unwrap_or_default();
    if ns == 0 { Err(format!("expected at least `1s`, found `{text}`")) } else { Ok(Duration::from_nanos(ns)) }
}

/// Where checkpoints go besides the log's own directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Publish {
    pub(crate) out: Option<PathBuf>,
    pub(crate) exec: Option<String>,
}

impl Publish {
    /// Publishes a checkpoint: writes the file, runs the command.
    pub(crate) fn publish(&self, signed: &Signed) -> Result<(), CommandError> {
        let text = signed.to_string();
        if let Some(path) = &self.out {
            crate::files::replace(path, text.as_bytes())?;
        }
        self.exec.as_deref().map_or(Ok(()), |command| run(command, &text))
    }
}

/// Runs a shell command with text on its stdin. What it prints goes to stderr: stdout is the answer.
fn run(command: &str, text: &str) -> Result<(), CommandError> {
    let failed = |what: String| {
        CommandError::user(format!("the checkpoint is signed and kept, but `{command}` {what}"))
            .hint("`evlog checkpoint` delivers it again")
    };
    let start = || {
        let (said, complained) = (talk_of_a_child()?, talk_of_a_child()?);
        Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).stdout(said).stderr(complained).spawn()
    };
    let mut child = start().map_err(|error| failed(format!("could not be started: {error}")))?;
    // A broken pipe is no error: the command need not read all of its stdin.
    let _unread = child.stdin.take().map(|mut stdin| stdin.write_all(text.as_bytes()));
    let ended = child.wait().map_err(|error| failed(format!("could not be waited for: {error}")))?;
    if ended.success() { Ok(()) } else { Err(failed(format!("ended with {ended}"))) }
}

/// What a person confirms about earlier checkpoints, so that signing is not refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// The clock was wrong when the last one was signed.
    pub(crate) clock_was_wrong: bool,
    /// The log gets the key's name from now on.
    pub(crate) new_name: bool,
    /// The person who confirms it.
    pub(crate) by: String,
}

/// The signer of one session.
pub(crate) struct Signing<'l> {
    log: &'l Log,
    key: SignerKey,
    publish: Publish,
    said: Said,
    /// The time until the next call. If the policy would want a newer checkpoint before then, one is signed now.
    ahead: Duration,
    read: ReadBack<'l>,
    /// When the last checkpoint was recorded, Unix nanoseconds.
    last_ns: Option<i64>,
    /// The last checkpoint, and the log's next seq if nothing was added since.
    last: Option<(Signed, Option<Seq>)>,
}

impl<'l> Signing<'l> {
    /// Continues from the last checkpoint.
    pub(crate) fn begin(
        ui: &Ui,
        log: &'l Log,
        key: SignerKey,
        publish: Publish,
        said: Said,
    ) -> Result<Signing<'l>, CommandError> {
        let history = log.signing_history()?;
        let mut former = loss::set_aside(ui, log, key.verifier(), history.loss.as_ref())?;
        former.extend(history.former_names.iter().cloned());
        name::refuse_former(key.verifier(), &history.former_names)?;
        let found = match kept(log, key.verifier(), &history.keys, &former)? {
            Kept::Nothing => {
                name::recorded(&history, key.verifier(), &former).map_or(Kept::Nothing, Kept::OfAnotherName)
            }
            found => found,
        };
        let kept = match found {
            Kept::Ours(signed) => Some(signed),
            Kept::Nothing => None,
            Kept::OfAnotherName(name) if said.new_name => {
                name::change(ui, log, &name, key.verifier(), &said.by)?;
                None
            }
            Kept::OfAnotherName(name) => return Err(name::refused(&name, key.verifier())),
        };
        let claimed = history.last.as_ref().map(|last| (Position(last.size), Root(last.root)));
        let signed = kept.as_ref().map(|signed| (signed.checkpoint().size, signed.checkpoint().root));
        let bar = OnceCell::new();
        let read = ReadBack::begin(log, signed.or(claimed), &mut |done, total| {
            bar.get_or_init(|| ui.progress("read back", total, Unit::Bytes)).at(done);
        })?;
        let is_known = history.keys.contains(&key.verifier().to_string());
        if !is_known {
            log.record_key(&key.verifier().to_string())?;
        }
        // Events about sessions and signatures alone do not need a new checkpoint.
        let rests = |signed: &Signed| {
            let is_recorded = claimed.is_some_and(|(size, _)| size == signed.checkpoint().size);
            let next = Seq(signed.checkpoint().next_seq.0 + history.only_sessions);
            (is_known && is_recorded && log.next_seq() == next).then_some(next)
        };
        let last = kept.map(|signed| {
            let next = rests(&signed);
            (signed, next)
        });
        let last_ns = history.last.is_some().then_some(history.last_time_ns);
        // An idle log is signed again before the policy's limit: the next call would be too late.
        let within_ns = log.policy()?.policy.unsigned_max_ns;
        let ahead = within_ns.map_or(Duration::ZERO, |within_ns| Duration::from_nanos(within_ns.unsigned_abs() / 2));
        Ok(Signing { log, key, publish, said, ahead, read, last_ns, last })
    }

    /// Signs a checkpoint if anything was added, and publishes it. The flag says whether it is new.
    pub(crate) fn checkpoint(&mut self, ui: &Ui) -> Result<(Signed, bool), CommandError> {
        // The policy can demand a recent checkpoint even of an idle log, so that runs can begin.
        let ahead_ns = i64::try_from(self.ahead.as_nanos()).unwrap_or(i64::MAX);
        if let Some((signed, Some(next))) = &self.last
            && self.log.next_seq() == *next
            && !self.log.is_checkpoint_due(ahead_ns)?
        {
            self.publish.publish(signed)?;
            return Ok((signed.clone(), false));
        }
        let now = self.log.now_ns();
        if let Some(last_time_ns) = self.last_ns.filter(|last| now < *last && self.said.clock_was_wrong) {
            let corrected = ClockCorrected { last_time_ns, accepted_by: self.said.by.clone() };
            self.log.record_clock_corrected(&corrected)?;
            self.last_ns = None;
        }
        if let Some(last) = self.last_ns.filter(|last| now < *last) {
            let (now, then) = (to_rfc3339(now), to_rfc3339(last));
            let message = format!(
                "nothing was signed: expected a time after that of the last checkpoint, {then}, found {now} on the clock"
            );
            return Err(CommandError::user(message).hint("if the clock is wrong now, set it").hint(
                "if it was wrong then, `evlog checkpoint --key FILE --clock-was-wrong` signs once in spite of it, and the log records it",
            ));
        }
        let bar = OnceCell::new();
        let statement = self.read.statement(&mut |done, total| {
            bar.get_or_init(|| ui.progress("read back", total, Unit::Bytes)).at(done);
        })?;
        let origin = self.key.verifier().name();
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size: statement.size,
            root: statement.root,
            format_version: FORMAT_VERSION,
            log_id: statement.log_id,
            next_seq: statement.next_seq,
        };
        let signed = checkpoint.sign(&self.key);
        self.read.record(&statement, origin, signed.to_string().as_bytes())?;
        self.last_ns = Some(now);
        // The log has grown at least by the event that records this checkpoint.
        self.last = Some((signed.clone(), Some(Seq(statement.next_seq.0 + 1))));
        self.publish.publish(&signed)?;
        Ok((signed, true))
    }
}

/// The newest checkpoint that a log keeps, and whose name it has.
enum Kept {
    Nothing,
    /// It has the key's name.
    Ours(Signed),
    /// It has this other name.
    OfAnotherName(String),
}

/// The newest checkpoint that the log keeps. It is signed by the key, or by one that the log has recorded. Signing does
/// not continue from a checkpoint whose name the log no longer uses.
fn kept(log: &Log, key: &VerifierKey, recorded: &[String], former: &[String]) -> Result<Kept, CommandError> {
    let checkpoints = log.checkpoints();
    let Some(size) = checkpoints.sizes().map_err(evlog_store::OpenError::Io).map_err(evlog::LogError::from)?.pop()
    else {
        return Ok(Kept::Nothing);
    };
    let path = checkpoints.path(size);
    let bytes = notes::read_kept(&checkpoints, size)?;
    refuse_foreign(log, &path, &bytes)?;
    let earlier = recorded.iter().filter_map(|text| VerifierKey::parse(text).ok());
    let mut refused = None;
    for known in std::iter::once(key.clone()).chain(earlier) {
        match Signed::open(&bytes, &known) {
            Ok(signed) if signed.checkpoint().origin == key.name() => return Ok(Kept::Ours(signed)),
            Ok(signed) if former.contains(&signed.checkpoint().origin) => return Ok(Kept::Nothing),
            Ok(signed) => return Ok(Kept::OfAnotherName(signed.checkpoint().origin.clone())),
            Err(error) => refused = Some(error),
        }
    }
    let nobody = CheckpointError::Signature(SignatureError::Missing { key: key.to_string(), found: Vec::new() });
    Err(notes::refused(&path, &refused.unwrap_or(nobody)))
}

/// Signing does not continue from a checkpoint of another log, by any key.
fn refuse_foreign(log: &Log, path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let (expected, found) = (log.log_id(), notes::parse_claimed(path, bytes)?.log_id);
    if found == expected {
        return Ok(());
    }
    let message = format!(
        "nothing was signed: `{}` is a checkpoint of another log: expected log id {expected}, found {found}",
        path.display()
    );
    Err(CommandError::user(message).hint("move this file out of `checkpoints/`, to where its log is"))
}

/// Who signs while a command works, and when.
pub(crate) struct Signer {
    key: SignerKey,
    publish: Publish,
    every: Option<Duration>,
    /// Where signatures are counted.
    metrics: Metrics,
}

impl Signer {
    /// Refuses a key of another name than the log has, before anything is recorded.
    pub(crate) fn check(&self, log: &Log) -> Result<(), CommandError> {
        let (history, key) = (log.signing_history()?, self.key.verifier());
        name::refuse_former(key, &history.former_names)?;
        match name::recorded(&history, key, &history.former_names) {
            Some(name) => Err(name::refused(&name, key).during("nothing was recorded")),
            None => Ok(()),
        }
    }
}

impl SigningArgs {
    /// Reads the key, if one is given. `log` is the log's directory, in which nothing is published.
    pub(crate) fn signer(&self, log: &Path) -> Result<Option<Signer>, CommandError> {
        let Some(path) = &self.key else { return Ok(None) };
        if let Some(out) = &self.checkpoint_out {
            outputs::check("--checkpoint-out", out, log, Some(path))?;
            outputs::check_replaceable("--checkpoint-out", out, Made::Note)?;
        }
        let key = keys::signer(path, Algorithm::Note)?;
        let publish = Publish { out: self.checkpoint_out.clone(), exec: self.checkpoint_exec.clone() };
        let (every, metrics) = (self.checkpoint_every, Metrics::default());
        Ok(Some(Signer { key, publish, every, metrics }))
    }
}

/// Does the work, and signs checkpoints at the interval and at the end. `log` returns the log once it is open. Returns
/// the result of the work and of the signing.
pub(crate) fn during<'l, T>(
    signer: Option<Signer>,
    metrics: &Metrics,
    log: &(dyn Fn() -> Option<&'l Log> + Sync),
    work: impl FnOnce() -> T,
) -> (T, Result<(), CommandError>) {
    let Some(mut signer) = signer else { return (work(), Ok(())) };
    signer.metrics = metrics.clone();
    if let Some(log) = log() {
        meet_policy(log, &mut signer);
    }
    let signer = &signer;
    std::thread::scope(|scope| {
        let (stop, stopped) = channel::<()>();
        let begun =
            Builder::new().name("evlog-sign".into()).spawn_scoped(scope, move || sign_until(&stopped, log, signer));
        let done = work();
        drop(stop);
        let Ok(signing) = begun else {
            // Without a thread, no checkpoint is signed at intervals, but one is still signed at the end.
            return (done, sign_until(&channel::<()>().1, log, signer));
        };
        let Ok(all) = signing.join() else { unreachable!("the thread that signs does not panic") };
        (done, all)
    })
}

/// If the log's policy demands recent checkpoints for runs to begin, signs one that is due, and then often enough. If
/// this fails, the policy refuses the commands with a reason, and the failure is reported at the next signing.
fn meet_policy(log: &Log, signer: &mut Signer) {
    let Ok(Some(within_ns)) = log.policy().map(|in_force| in_force.policy.unsigned_max_ns) else { return };
    let half = Duration::from_nanos(within_ns.unsigned_abs() / 2).max(Duration::from_secs(1));
    signer.every = Some(signer.every.map_or(half, |every| every.min(half)));
    if log.is_checkpoint_due(0).unwrap_or(false) {
        sign(&Ui::new(true, Colour::default(), Errors::Sentences), log, &mut None, signer).ok();
    }
}

/// Signs at the interval until it receives the signal to stop, and then once more. Signs nothing after a failure.
fn sign_until<'l>(
    stopped: &Receiver<()>,
    log: &dyn Fn() -> Option<&'l Log>,
    signer: &Signer,
) -> Result<(), CommandError> {
    let (ui, mut signing) = (Ui::new(true, Colour::default(), Errors::Sentences), None);
    loop {
        let waited = match signer.every {
            Some(every) => stopped.recv_timeout(every),
            None => stopped.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        if let Some(log) = log() {
            sign(&ui, log, &mut signing, signer).inspect_err(|failure| {
                crate::ui::alert(&format!("warning: signing of checkpoints has stopped: {}", failure.message));
            })?;
        }
        if waited != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
    }
}

fn sign<'l>(ui: &Ui, log: &'l Log, signing: &mut Option<Signing<'l>>, signer: &Signer) -> Result<(), CommandError> {
    let begun = match signing.take() {
        Some(begun) => begun,
        None => Signing {
            ahead: signer.every.unwrap_or_default(),
            ..Signing::begin(ui, log, signer.key.clone(), signer.publish.clone(), Said::default())?
        },
    };
    let (note, is_new) = signing.insert(begun).checkpoint(ui)?;
    if is_new {
        let checkpoint = note.checkpoint();
        tracing::info!(target: "signing", size = checkpoint.size.0, next_seq = checkpoint.next_seq.0, "a checkpoint is signed");
        signer.metrics.count(|figures| figures.signed(checkpoint.next_seq, log.now_ns()));
    }
    Ok(())
}
