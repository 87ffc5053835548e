//! `evlog repair`: surveys the log, plans the repair, and carries it out.

use crate::caller::Actor;
use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::formats::{Answered, Format};
use crate::json::{LossObject, RefusedObject, RepairObject, StepObject};
use crate::notes;
use crate::reports::{self, Answer, Base, Finding, Kind, Region, Report, Rule, within};
use crate::table::{counted, facts};
use crate::turn::{Attempt, Turn};
use crate::ui::{Text, Tone, Ui, Unit};
use clap::Args;
use evlog::LogError;
use evlog::own_notes::{Beyond, OwnNotes};
use evlog::repair::AuditedPlan;
use evlog_store::inspect::Inspection;
use evlog_store::layout::SegmentEntry;
use evlog_store::repair::{Accept, Held, Loss, Plan, Refused, Step, Survey};
use evlog_store::{Fs, OpenError, Owner, StdFs};
use std::cell::OnceCell;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

const EXAMPLES: &str = "\
Repaired: an unfinished commit at the end of the log is cut, and a copy is kept; wrong derived files are \
rebuilt. Not repaired: synced bytes that are damaged or missing. Restore them from a copy of the log. At the end \
of the log only, --accept-loss gives them up, and records the loss in `$log`.

Exit codes:
  0   nothing to do, or repaired
  1   with --dry-run: there is something to repair; without it: the repair was
      refused
  2   could not: a writer has the log open, no log, input or output error,
      --yes is missing

Examples:
  evlog repair --dry-run                print the plan only
  evlog repair --dry-run --format junit
      the same as test results: each step is a finding
  evlog repair                          carry it out
  evlog repair --accept-loss --dry-run  print what would be lost
  evlog repair --accept-loss --yes --actor ops@example.org";

/// Repair a log: print the repair plan, and carry it out
///
/// The whole log is verified first, as `evlog verify` does. Before bytes are cut, they are copied to quarantine/ and
/// synced. Each repair is recorded in `$log`. If the plan is refused, nothing changes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RepairArgs {
    /// Print the plan, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Accept the loss of synced bytes that are damaged or missing at the end of the log, and of everything after them
    #[arg(long)]
    accept_loss: bool,
    /// Do not ask before a loss is accepted
    #[arg(long)]
    yes: bool,
    /// Who accepts the loss, recorded in the log [env: `EVLOG_ACTOR`] [default: the user, `os:NAME`]
    #[arg(long, value_name = "NAME", value_parser = Actor::parse)]
    actor: Option<Actor>,
    #[command(flatten)]
    answered: Answered<Kind>,
    #[command(flatten)]
    turn: Turn,
}

impl RepairArgs {
    /// Whether the command may change the log.
    pub(crate) fn writes(&self) -> bool {
        !self.dry_run
    }
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &RepairArgs) -> Result<Verdict, CommandError> {
    context.check_on_disk("repair")?;
    let format = args.answered.format(context);
    let done = repair(ui, context, args, format);
    reports::settled(ui, format, || empty(&context.log), done)
}

fn repair(ui: &mut Ui, context: &Context, args: &RepairArgs, format: Format<Kind>) -> Result<Verdict, CommandError> {
    let actor = Actor::name(args.actor.as_ref())?;
    let accept = if args.accept_loss { Accept::Loss } else { Accept::Nothing };
    let fs: Arc<dyn Fs> = Arc::new(StdFs);
    let own = OwnNotes::new(&fs, &context.log);
    if args.dry_run {
        no_writer(context)?;
        let looked = surveyed(ui, |progress| Survey::look(Arc::new(StdFs), &context.log, progress));
        let Some(mut survey) = found(ui, context, args, &own, looked)? else { return Ok(Verdict::No) };
        claim(&own, &mut survey)?;
        let plan = audited(ui, &own, survey.plan(accept))?;
        print(ui, context, args, &plan, State::Planned);
        return Ok(Verdict::of(plan.refused.is_none() && plan.steps.is_empty()));
    }
    let options = Context::options("repair", false)?;
    let owner = Owner { program: options.program.clone() };
    let taken =
        args.turn.take(|| match surveyed(ui, |progress| Held::take(Arc::new(StdFs), &context.log, &owner, progress)) {
            Err(error @ OpenError::Locked { .. }) => Ok(Attempt::Locked(LogError::from(error).into())),
            taken => Ok(Attempt::Done(taken)),
        });
    let Some(mut held) = found(ui, context, args, &own, taken?)? else { return Ok(Verdict::No) };
    claim(&own, held.survey_mut())?;
    let plan = audited(ui, &own, held.survey().plan(accept))?;
    if plan.refused.is_some() || plan.steps.is_empty() {
        print(ui, context, args, &plan, State::Planned);
        return Ok(Verdict::of(plan.refused.is_none()));
    }
    if let Some(loss) = plan.loss.as_ref().filter(|_| !args.yes) {
        agree(ui, loss)?;
    }
    if format == Format::Text {
        text(ui, &context.log, args, &plan);
        ui.flush();
    }
    evlog::repair::carry_out(held, &plan, &actor, contracts(), options)?;
    if format == Format::Text {
        ui.talk(format_args!("done; run `evlog verify` to check the whole log"));
    } else {
        print(ui, context, args, &plan, State::Done);
    }
    Ok(Verdict::Yes)
}

/// The survey of the log. `None` if the log cannot be surveyed: then the verdict that says why is printed.
fn found<T>(
    ui: &mut Ui,
    context: &Context,
    args: &RepairArgs,
    own: &OwnNotes,
    looked: Result<T, OpenError>,
) -> Result<Option<T>, CommandError> {
    match looked {
        Ok(looked) => Ok(Some(looked)),
        Err(OpenError::Refused(refusal)) => {
            let plan = audited(ui, own, Plan::refused_for(*refusal))?;
            print(ui, context, args, &plan, State::Planned);
            Ok(None)
        }
        Err(error) => Err(LogError::from(error).into()),
    }
}

/// The plan. It is refused if `verify` has findings that the survey does not have.
fn audited(ui: &Ui, own: &OwnNotes, plan: Plan) -> Result<Plan, CommandError> {
    let bar = OnceCell::new();
    let parse = |bytes: &[u8], recorded: &[String]| notes::claim(bytes, recorded, None);
    let AuditedPlan { plan, unread } = evlog::repair::audited(plan, own, &parse, &mut |done, total| {
        bar.get_or_init(|| ui.progress("verify", total, Unit::Bytes)).at_of(done, total);
    })?;
    if let Some(error) = unread {
        ui.talk(format_args!(
            "warning: not all of the log's own notes were compared, and the verdict is without them: {error}"
        ));
    }
    Ok(plan)
}

/// Adds to the survey the bytes that are missing according to one of the log's own checkpoints.
fn claim(own: &OwnNotes, survey: &mut Survey) -> Result<(), CommandError> {
    if let Some(Beyond { note, size, .. }) = own.beyond()? {
        survey.claim(size, note);
    }
    Ok(())
}

/// Whether the plan that is printed was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Planned,
    Done,
}

/// Reads the log with a bar.
fn surveyed<T>(ui: &Ui, read: impl FnOnce(&mut dyn FnMut(u64, u64)) -> Result<T, OpenError>) -> Result<T, OpenError> {
    let bar = OnceCell::new();
    read(&mut |done, total| bar.get_or_init(|| ui.progress("read", total, Unit::Bytes)).at(done))
}

/// While a writer has the log open, a plan would be based on bytes that still change.
fn no_writer(context: &Context) -> Result<(), CommandError> {
    let looked = Inspection::open(Arc::new(StdFs), &context.log);
    let lock = looked.map_err(|failure| LogError::from(OpenError::Io(failure)))?.lock();
    match lock.filter(|lock| lock.held == Some(true)) {
        None => Ok(()),
        Some(lock) => {
            let (path, pid, program) = (context.log.clone(), lock.pid, lock.program);
            Err(LogError::from(OpenError::Locked { path, pid, program }).into())
        }
    }
}

/// Asks the user; without a terminal, `--yes` is needed.
fn agree(ui: &mut Ui, loss: &Loss) -> Result<(), CommandError> {
    let question = format!("give up {}?", given_up(loss));
    match ui.confirm(&question)? {
        Some(true) => Ok(()),
        Some(false) => Err(CommandError::user("nothing was changed: the loss was not accepted")),
        None => Err(CommandError::user(format!("nothing was changed: this would {}", question.trim_end_matches('?')))
            .hint("`--yes` accepts the loss; `--dry-run` prints the plan")),
    }
}

fn given_up(loss: &Loss) -> String {
    if loss.len == 0 && loss.missing() == 0 {
        return "no commit that is known to have been there: the segment's header is made again".to_owned();
    }
    let events = match loss.events() {
        Some(events) => format!("at least {}", counted(events, "event")),
        None => "an unknown number of events".to_owned(),
    };
    let bytes = counted(loss.len, "byte");
    let missing = match loss.missing() {
        0 => String::new(),
        missing => format!(", in addition to {} that are already missing", counted(missing, "byte")),
    };
    format!("{bytes} from position {} on, {events} from seq {} on{missing}", loss.position, loss.first_seq)
}

fn print(ui: &mut Ui, context: &Context, args: &RepairArgs, plan: &Plan, state: State) {
    match args.answered.format(context) {
        Format::Text => text(ui, &context.log, args, plan),
        Format::Json => ui.json(&object(&context.log, args, plan, state)),
        Format::Own(kind) => report(&context.log, plan, state).print(ui, kind),
    }
}

fn text(ui: &mut Ui, log: &Path, args: &RepairArgs, plan: &Plan) {
    let word = plan.verdict.word();
    facts(ui, &[("verdict", word.to_owned(), Tone::of(word))]);
    for step in &plan.steps {
        step_lines(ui, log, step);
    }
    if let Some(loss) = &plan.loss {
        ui.line(format_args!("gives up {}", given_up(loss)));
    }
    match &plan.refused {
        Some(refused) => refusal(ui, args, refused),
        None if plan.steps.is_empty() => ui.line(format_args!("nothing to do")),
        None => {}
    }
}

/// A report on a log, before anything was read.
fn empty(log: &Path) -> Report {
    Report::new("evlog repair", log.display().to_string(), Base::log(log))
}

/// What is to be done is a finding; what was done is none.
fn report(log: &Path, plan: &Plan, state: State) -> Report {
    let mut report = empty(log);
    report.says("verdict", plan.verdict.word());
    if let Some(loss) = &plan.loss {
        report.says("gives_up", given_up(loss));
    }
    let left = plan.steps.iter().filter(|_| state == State::Planned).map(|step| Finding {
        file: within(log, &step.file),
        region: region(&step.file, step.position.0, Some(step.len).filter(|len| *len > 0)),
        found: step.reason.clone(),
        sentence: format!("{} {}: {}", step.act.word(), within(log, &step.file), step.reason),
        ..Finding::default()
    });
    let help = "docs/repair.md explains what is repaired, and what is not.";
    report.asked(Rule::new("steps", "there is nothing to repair", help), Answer::found(left));
    let refused = plan.refused.iter().map(|Refused { refusal, .. }| Finding {
        file: within(log, &refusal.file),
        region: region(&refusal.file, refusal.position.0, None),
        expected: refusal.expected.clone(),
        found: refusal.found.clone(),
        sentence: refusal.to_string(),
        ..Finding::default()
    });
    report.asked(Rule::new("repairable", "what is wrong with the log can be repaired", help), Answer::found(refused));
    report
}

/// The place in a segment file, whose name is the position of its first byte.
fn region(file: &Path, position: u64, len: Option<u64>) -> Region {
    let entry = file.file_name().and_then(OsStr::to_str).and_then(SegmentEntry::parse);
    let offset = match entry {
        Some(SegmentEntry::Segment(start)) => position.checked_sub(start.0),
        _ => None,
    };
    offset.map_or(Region::Whole, |offset| Region::Bytes { offset, len })
}

fn step_lines(ui: &mut Ui, log: &Path, step: &Step) {
    let bytes = if step.len > 0 {
        format!(", {} from position {} on", counted(step.len, "byte"), step.position)
    } else {
        String::new()
    };
    let row = step.row.map(|row| format!(" ({row})")).unwrap_or_default();
    let rest = format!(" {}{bytes}{row}", within(log, &step.file));
    ui.line(Text::default().toned(Tone::Strong, step.act.word()).plain(rest));
    ui.line(format_args!("  because {}", step.reason));
    if let Some(kept_as) = &step.kept_as {
        ui.line(format_args!("  keeps the bytes as {kept_as}"));
    }
}

fn refusal(ui: &mut Ui, args: &RepairArgs, refused: &Refused) {
    let row = refused.row.map(|row| format!(" ({row})")).unwrap_or_default();
    ui.finding(format_args!("{}{row}", refused.refusal));
    ui.line(format_args!("refused: the log is left as it is"));
    ui.advise(&refused.refusal.hint);
    match &refused.acceptable {
        Some(loss) if !args.accept_loss => {
            ui.advise(&format!(
                "`evlog repair --accept-loss --dry-run` shows what would be given up: {}",
                given_up(loss)
            ));
        }
        Some(_) => {}
        None => ui.advise("only the end of a log can be given up; `evlog inspect` shows what is still readable"),
    }
}

fn object<'a>(log: &Path, args: &RepairArgs, plan: &'a Plan, state: State) -> RepairObject<'a> {
    let step = |step: &'a Step| StepObject {
        act: step.act.word(),
        file: within(log, &step.file),
        position: step.position.0,
        bytes: step.len,
        row: step.row,
        reason: &step.reason,
        kept_as: step.kept_as.as_deref(),
    };
    let refused = plan.refused.as_ref().map(|refused| RefusedObject {
        row: refused.row,
        file: within(log, &refused.refusal.file),
        position: refused.refusal.position.0,
        expected: &refused.refusal.expected,
        found: &refused.refusal.found,
        acceptable: refused.acceptable.as_ref().map(loss_object),
    });
    RepairObject {
        verdict: plan.verdict.word(),
        dry_run: args.dry_run,
        done: state == State::Done,
        steps: plan.steps.iter().map(step).collect(),
        loss: plan.loss.as_ref().map(loss_object),
        refused,
    }
}

fn loss_object(loss: &Loss) -> LossObject<'_> {
    LossObject {
        position: loss.position.0,
        bytes: loss.len,
        missing: loss.missing(),
        floor: loss.floor.0,
        first_seq: loss.first_seq.0,
        next_seq: loss.next_seq.map(|next| next.0),
        events: loss.events(),
        reason: &loss.reason,
        kept_as: loss.kept_as.as_deref(),
    }
}
