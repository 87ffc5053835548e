//! A contract of one's own: an account that takes deposits and withdrawals, and never goes below zero.
//!
//! `cargo run -p evlog-engine --example own_contract -- DIR`
#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use evlog::{
    Asked, Contract, ContractError, Contracts, Decision, Fact, File, FoldError, Kind, Log, Malformed, Members,
    NewEvent, Outcome, Request, RunHead, canonical,
};
use serde_json::{Map, Value, json};
use std::error::Error;

struct Account;

/// What decisions and projections need to know of an account.
#[derive(Clone)]
struct Balance {
    cents: u64,
    closed: bool,
}

enum Command {
    Open,
    Deposit(u64),
    Withdraw(u64),
    Close,
}

/// An event of this contract: its kind and its payload.
fn event(kind: &str, payload: &Value) -> NewEvent {
    NewEvent::new(Kind::Custom(&format!("custom/account.{kind}")), canonical(payload))
}

/// The most that an account holds. JSON has no exact form for greater numbers (RFC 8785), so they would be rounded in the file.
const CENTS_MAX: u64 = (1 << 53) - 1;

/// The kind's name and the payload of a recorded event.
fn read<'a>(fact: &Fact<'a>) -> Result<(&'a str, Value), FoldError> {
    let Kind::Custom(kind) = fact.event.kind else { return Err(FoldError::new(fact, "expected a custom event")) };
    let payload = serde_json::from_slice(fact.event.payload).map_err(|e| FoldError::new(fact, e.to_string()))?;
    Ok((kind, payload))
}

fn overdrawn(balance: &Value, cents: &Value) -> ContractError {
    ContractError { code: "OVERDRAWN".to_owned(), message: format!("expected at most {balance}, found {cents}") }
}

impl Contract for Account {
    type State = Balance;
    type Command = Command;

    fn name(&self) -> &'static str {
        "account"
    }

    fn begins_with(&self, kind: Kind<'_>) -> bool {
        kind == Kind::Custom("custom/account.opened")
    }

    fn parse(&self, action: &str, members: Map<String, Value>) -> Result<Command, Malformed> {
        let mut members = Members::new(members);
        let command = match action {
            "open" => Command::Open,
            "deposit" => Command::Deposit(members.count("cents")?),
            "withdraw" => Command::Withdraw(members.count("cents")?),
            "close" => Command::Close,
            _ => return Err(Malformed { pointer: "/do".into(), message: format!("unknown action `{action}`") }),
        };
        members.end(action)?;
        Ok(command)
    }

    fn decide(&self, asked: &Asked<'_, Balance>, command: &Command) -> Decision {
        let refused = |code, message: &str| Decision::refused(Vec::new(), code, message.to_owned());
        match (asked.state, command) {
            (None, Command::Open) => Decision::accepted(vec![event("opened", &json!({}))]),
            (None, _) => refused("NO_ACCOUNT", "expected an account, found none"),
            (Some(_), Command::Open) => refused("EXISTS", "the account exists"),
            (Some(balance), _) if balance.closed => refused("CLOSED", "the account is closed"),
            (Some(balance), Command::Deposit(cents)) if *cents > CENTS_MAX - balance.cents => {
                refused("TOO_MUCH", "the balance would be too large")
            }
            (Some(_), Command::Deposit(cents)) => {
                Decision::accepted(vec![event("deposited", &json!({"cents": cents}))])
            }
            (Some(balance), Command::Withdraw(cents)) if *cents > balance.cents => {
                // An attempt that the rules forbid is worth recording: it is rejected, with an event. The event holds
                // everything that the answer says, so that `answer` can say it again.
                let payload = json!({"cents": cents, "balance": balance.cents});
                let error = Some(overdrawn(&payload["balance"], &payload["cents"]));
                Decision { outcome: Outcome::Rejected, events: vec![event("overdrawn", &payload)], error }
            }
            (Some(_), Command::Withdraw(cents)) => {
                Decision::accepted(vec![event("withdrawn", &json!({"cents": cents}))])
            }
            (Some(_), Command::Close) => Decision::accepted(vec![event("closed", &json!({}))]),
        }
    }

    fn start(&self, _: &Fact<'_>) -> Result<Balance, FoldError> {
        Ok(Balance { cents: 0, closed: false })
    }

    fn evolve(&self, state: &mut Balance, fact: &Fact<'_>) -> Result<(), FoldError> {
        let (kind, payload) = read(fact)?;
        let flaw = |message: &str| FoldError::new(fact, message);
        let cents = payload["cents"].as_u64().unwrap_or(0);
        match kind {
            "custom/account.deposited" => {
                let sum = state.cents.checked_add(cents).filter(|sum| *sum <= CENTS_MAX);
                state.cents = sum.ok_or_else(|| flaw("the balance is too large"))?;
            }
            "custom/account.withdrawn" => {
                state.cents = state.cents.checked_sub(cents).ok_or_else(|| flaw("the balance is below zero"))?;
            }
            "custom/account.overdrawn" => {}
            "custom/account.closed" => state.closed = true,
            _ => return Err(flaw("expected an event of an account")),
        }
        Ok(())
    }

    fn answer(&self, fact: &Fact<'_>) -> Option<(Outcome, ContractError)> {
        // A second delivery of a rejected command gets the same answer as the first.
        let (kind, payload) = read(fact).ok()?;
        let error = overdrawn(&payload["balance"], &payload["cents"]);
        (kind == "custom/account.overdrawn").then_some((Outcome::Rejected, error))
    }

    fn status<'a>(&self, state: &'a Balance) -> &'a str {
        if state.closed { "closed" } else { "open" }
    }

    fn is_terminal(&self, state: &Balance) -> bool {
        state.closed
    }

    fn audit_line(&self, _: Option<&Balance>, fact: &Fact<'_>, after: &Balance) -> Result<Value, FoldError> {
        Ok(json!({"seq": fact.seq.0, "kind": fact.event.kind.to_string(), "balance": after.cents}))
    }

    fn project(&self, state: &Balance, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        let bytes = canonical(&json!({"account": head.run, "cents": state.cents, "events": head.events}));
        Ok(vec![File { path: "balance.json".to_owned(), projection: "account.balance", version: 1, bytes }])
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args_os().nth(1).ok_or("expected a directory for the log")?;
    let log = Log::open(dir, Contracts::new().with(Account))?;
    let ask = |action: &str| Request::json("account", "alice", action);
    log.submit(&ask("open").build()?)?.into_accepted()?;
    log.submit(&ask("deposit").member("cents", 500).build()?)?.into_accepted()?;
    let overdrawn = log.submit(&ask("withdraw").member("cents", 600).build()?)?;
    println!("withdraw 600: {}", overdrawn.outcome.word());
    log.submit(&ask("withdraw").member("cents", 120).build()?)?.into_accepted()?;

    let view = log.view()?;
    if let Some(run) = view.run("alice")? {
        println!("balance: {:?} cents", run.state::<Account>().map(|state| state.cents));
    }
    if let Some(bundle) = view.bundle("alice")? {
        println!("{}", String::from_utf8_lossy(&bundle.files["balance.json"].bytes));
    }
    Ok(log.close()?)
}
