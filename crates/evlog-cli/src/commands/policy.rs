//! `evlog policy`: what a log demands of every command.

use crate::args::At;
use crate::caller::Actor;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::files;
use crate::json::{PolicyAt, PolicyObject, PolicyRule, hex, time};
use crate::table::facts;
use crate::turn::Turn;
use crate::ui::{Tone, Ui};
use crate::when::check_committed;
use clap::{Args, Subcommand};
use evlog::policy::{InForce, POLICY_LEN_MAX};
use evlog_format::Seq;
use evlog_projection::time::{to_rfc3339, to_span};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  evlog policy set policy.toml --actor alice
      in force for what is recorded from now on
  evlog policy show
      the policy in force
  evlog policy show --at 118
      the policy in force when event 118 was recorded
  evlog policy show --text > policy.toml
      save its text, to change it

A policy is TOML; every member is optional:
  durability = \"sync\"          the weakest durability class that is accepted
  checkpoint_within = \"24h\"    no run can begin if the last signed checkpoint
                               is older
  actors = [\"user:*\", \"ci:*\"]  allowed actors; `*` matches any text

  [at]
  ahead = \"5m\"                 how far `at` can be ahead of the clock, or
                               \"unbounded\"
  behind = \"30d\"               how far it can be behind it, or \"unbounded\"
  mark = \"1m\"                  beyond this difference an event is marked
                               backdated or ahead

  [[order]]                    a rule on the order of a run's events; can be
                               repeated
  name = \"four-eyes\"
  template = \"precedence\"      or init, absence, alternate_precedence,
                               chain_precedence, not_succession,
                               not_chain_succession, not_co_existence
  first = \"custom/approved\"
  then = \"custom/executed\"
  different = \"actor\"";

/// Set or show the policy of the log: its demands on every command
///
/// The log records the full text of each policy as an event. A command that breaks the policy is refused, with the code
/// `AT_OUT_OF_RANGE` or a code that begins with `POLICY_`. `evlog verify` checks each event against the policy that was
/// in force when it was recorded.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

impl PolicyArgs {
    /// Whether the command writes to the log.
    pub(crate) fn writes(&self) -> bool {
        matches!(self.command, PolicyCommand::Set(_))
    }
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Put a policy into force, replacing the previous one
    Set(SetArgs),
    /// Show which policy is in force, since when, and what it demands
    Show(ShowArgs),
}

#[derive(Args, Debug)]
struct SetArgs {
    /// The policy
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Who sets the policy, recorded in the log [env: `EVLOG_ACTOR`] [default: the user, `os:NAME`]
    #[arg(long, value_name = "NAME", value_parser = Actor::parse)]
    actor: Option<Actor>,
    #[command(flatten)]
    turn: Turn,
}

#[derive(Args, Debug)]
struct ShowArgs {
    /// Show the policy that was in force when this event was recorded
    #[arg(long, value_name = "SEQ")]
    at: Option<u64>,
    /// Print only its text, as it was set
    #[arg(long)]
    text: bool,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &PolicyArgs) -> Result<Verdict, CommandError> {
    match &args.command {
        PolicyCommand::Set(args) => set(ui, context, args),
        PolicyCommand::Show(args) => show(ui, context, args),
    }
}

fn set(ui: &mut Ui, context: &Context, args: &SetArgs) -> Result<Verdict, CommandError> {
    let text = files::read_text(&args.file, POLICY_LEN_MAX as u64)?;
    let wrong = |error: evlog::LogError| match error {
        evlog::LogError::Policy(error) => CommandError::user(format!("`{}`: {error}", args.file.display()))
            .hint("nothing was recorded; `evlog policy --help` shows the members of a policy"),
        error => error.into(),
    };
    // Checked before the log is opened: an invalid policy leaves no trace.
    evlog::policy::Policy::read_new(&text).map_err(|error| wrong(evlog::LogError::Policy(error)))?;
    let actor = Actor::name(args.actor.as_ref())?;
    let log = context.writer("policy", &args.turn)?;
    let set = log.set_policy(&text, &actor).map_err(wrong).and_then(|new| Ok((new.is_some(), log.policy()?)));
    let (is_new, in_force) = CommandError::followed_by(set, log.close().map_err(CommandError::from))?;
    if context.json {
        ui.json(&object(&in_force, is_new));
        return Ok(Verdict::Yes);
    }
    facts(
        ui,
        &[(
            "policy",
            if is_new { "set now" } else { "unchanged: this text is already in force" }.to_owned(),
            Tone::Good,
        )],
    );
    print(ui, &in_force);
    Ok(Verdict::Yes)
}

fn show(ui: &mut Ui, context: &Context, args: &ShowArgs) -> Result<Verdict, CommandError> {
    let view = context.view(&At::default())?;
    if let Some(at) = args.at {
        check_committed("--at", &view, at)?;
    }
    // Within a commit, too: it was judged by the policy before it.
    let view = view.as_of(args.at.map(Seq))?;
    let (policies, flaw) = view.policies();
    if let Some(flaw) = flaw {
        return Err(flaw.into());
    }
    let in_force = args.at.map_or_else(|| policies.last(), |at| policies.at(Seq(at)));
    if args.text {
        let Some(set) = &in_force.set else {
            return Err(CommandError::user("expected a policy that was set, found the default policy")
                .with_code(Verdict::No.code()));
        };
        ui.file(set.said.text.as_bytes());
    } else if context.json {
        ui.json(&object(in_force, false));
    } else {
        print(ui, in_force);
    }
    Ok(Verdict::Yes)
}

fn object(in_force: &InForce, is_new: bool) -> PolicyObject<'_> {
    let (policy, set) = (&in_force.policy, in_force.set.as_ref());
    let rules = in_force.rules();
    let order = rules.map(|(rule, since)| PolicyRule { name: &rule.name, rule: rule.to_string(), since: since.0 });
    PolicyObject {
        seq: set.map(|set| set.seq.0),
        recorded: set.map(|set| time(set.recorded_ns)),
        set_by: set.map(|set| set.said.set_by.as_str()),
        principal: set.and_then(|set| set.principal.clone()),
        blake3: set.map(|set| hex(&set.said.blake3)),
        replaced: in_force.replaced.map(|seq| seq.0),
        at: PolicyAt {
            ahead: policy.ahead_ns.map(to_span),
            behind: policy.behind_ns.map(to_span),
            mark: to_span(policy.mark_ns),
        },
        durability: policy.weakest.name(),
        checkpoint_within: policy.unsigned_max_ns.map(to_span),
        actors: &policy.actors,
        order: order.collect(),
        text: set.map(|set| set.said.text.as_str()),
        new: is_new,
    }
}

fn print(ui: &mut Ui, in_force: &InForce) {
    let policy = &in_force.policy;
    let mut rows = match &in_force.set {
        None => vec![("in force", "the default; no policy was set".to_owned(), Tone::Strong)],
        Some(set) => {
            let by = set.principal.as_ref().map_or_else(String::new, |principal| format!(" ({principal})"));
            vec![
                ("in force", format!("since seq {}, recorded {}", set.seq, to_rfc3339(set.recorded_ns)), Tone::Strong),
                ("set by", format!("{}{by}", set.said.set_by), Tone::Plain),
                ("blake3", hex(&set.said.blake3), Tone::Plain),
            ]
        }
    };
    if let Some(replaced) = in_force.replaced {
        rows.push(("replaced", format!("the policy of seq {replaced}"), Tone::Plain));
    }
    let bound = |bound: Option<i64>| bound.map_or("any time".to_owned(), |ns| format!("at most {}", to_span(ns)));
    let (ahead, behind) = (bound(policy.ahead_ns), bound(policy.behind_ns));
    rows.push(("at", format!("{ahead} ahead of the clock, {behind} behind it"), Tone::Plain));
    rows.push((
        "marks",
        format!("backdated and ahead: more than {} from recorded", to_span(policy.mark_ns)),
        Tone::Plain,
    ));
    rows.push(("durability", format!("`{}` or stronger", policy.weakest.name()), Tone::Plain));
    let unsigned = policy.unsigned_max_ns.map_or("none needed for a run to begin".to_owned(), |ns| {
        format!("signed within the last {} when a run begins", to_span(ns))
    });
    rows.push(("checkpoint", unsigned, Tone::Plain));
    let actors = if policy.actors.is_empty() { "any".to_owned() } else { policy.actors.join(", ") };
    rows.push(("actors", actors, Tone::Plain));
    for (rule, since) in in_force.rules() {
        rows.push(("order", format!("{}: {rule} (since seq {since})", rule.name), Tone::Plain));
    }
    facts(ui, &rows);
}
