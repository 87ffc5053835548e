//! Makes every request from every status of every lifecycle here: it is applied, forced or rejected as the file says.

use super::{DEPLOYMENT, ORDER, Play, RUN, definition};
use crate::form::built_in;
use crate::lifecycle::{Definition, StatusId, Undefined};
use crate::status::{Reaction, RunStatus};
use evlog_projection::Outcome;
use std::collections::BTreeSet;
use std::sync::Arc;

const PLAIN: &str = r#"name = "lamp"
statuses = ["off", "on", "broken"]
terminal = ["broken"]
undefined = { force = "broken" }
[transitions]
off = ["on"]
on = ["off", "on", "broken"]
"#;

/// Every state that the rules can distinguish, with a play that is in it: by status and by which statuses were entered.
fn states(definition: &Arc<Definition>) -> Vec<Play> {
    let mut found: Vec<Play> = vec![Play::with(Arc::clone(definition))];
    let mut seen = BTreeSet::new();
    let mut next = 0;
    let key = |play: &Play| {
        let state = &play.harness.states[RUN];
        (state.status, state.entered.iter().map(Option::is_some).collect::<Vec<_>>())
    };
    seen.insert(key(&found[0]));
    while next < found.len() {
        for status in definition.statuses() {
            let mut play = found[next].clone();
            if play.go(&status.name).outcome == Outcome::Accepted && seen.insert(key(&play)) {
                found.push(play);
            }
        }
        next += 1;
    }
    found
}

/// The expected reaction to a request, worked out again from the text of the file: rows, then rules, then the reaction.
fn expected(definition: &Definition, play: &Play, to: &str) -> (Outcome, String) {
    let state = &play.harness.states[RUN];
    let text: serde_json::Value = serde_json::from_str(definition.text()).expect("JSON");
    let from = state.status();
    let has =
        |list: &serde_json::Value, name: &str| list.as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let been = |name: &serde_json::Value| {
        let index = definition.statuses().iter().position(|status| *name == *status.name).expect("a status");
        state.entered[index].is_some()
    };
    let rules = text["order"].as_array().expect("a list");
    let waits = rules.iter().any(|rule| rule["after"] == to && !been(&rule["before"]));
    if has(&text["transitions"][from], to) && !waits {
        return (Outcome::Accepted, to.to_owned());
    }
    let forced = text["undefined"]["force"].as_str().filter(|_| !has(&text["terminal"], from)).unwrap_or(from);
    (Outcome::Rejected, forced.to_owned())
}

fn walk(definition: &Arc<Definition>) -> usize {
    let mut cells = 0;
    for play in states(definition) {
        let names = definition.statuses().iter().map(|status| status.name.as_str());
        for to in names.chain(["", "unheard_of", "place", "on "]) {
            let (outcome, status) = expected(definition, &play, to);
            let mut play = play.clone();
            let before = play.status();
            let answered = play.go(to);
            assert_eq!((answered.outcome, play.status()), (outcome, status.clone()), "{before} -> {to}");
            let kinds: &[&str] = match (outcome, before == status) {
                (Outcome::Accepted, _) => &["machine.transitioned"],
                (_, true) => &["machine.rejected"],
                (_, false) => &["machine.rejected", "machine.forced"],
            };
            assert_eq!(answered.kinds, kinds, "{before} -> {to}");
            if outcome == Outcome::Rejected {
                assert_eq!(answered.code(), "UNDEFINED_TRANSITION");
            }
            cells += 1;
        }
    }
    cells
}

#[test]
fn every_cell_of_every_example_is_applied_forced_or_rejected_as_its_file_says() {
    // M-02 to M-06.
    let cells: Vec<usize> = [ORDER, DEPLOYMENT, PLAIN].map(|text| walk(&definition(text))).to_vec();
    assert!(cells.iter().all(|cells| *cells >= 3 * 7), "{cells:?}");
}

#[test]
fn the_file_of_contract_status_gives_the_sixty_four_cells_of_contract_status() {
    // M-02, M-04 to M-06: the contract adds diagnostics and retries to its file, but no other cells.
    let definition = built_in::status();
    walk(&definition);
    for play in states(&definition) {
        let from = RunStatus::from_word(&play.status()).expect("a status");
        for to in RunStatus::ALL {
            let mut play = play.clone();
            let answered = play.go(to.word());
            let (outcome, now) = match from.reaction(Some(to)) {
                Reaction::Apply => (Outcome::Accepted, to),
                Reaction::Force => (Outcome::Rejected, RunStatus::Failed),
                Reaction::Reject => (Outcome::Rejected, from),
            };
            assert_eq!((answered.outcome, play.status().as_str()), (outcome, now.word()), "{from} -> {to}");
        }
    }
}

#[test]
fn a_run_that_has_the_forced_status_already_stays_as_it_is() {
    // M-06.
    let mut play = Play::of(DEPLOYMENT);
    let answered = play.go("live");
    assert_eq!(answered.kinds, ["machine.rejected", "machine.forced"]);
    assert_eq!(play.status(), "held");
    assert_eq!(play.harness.json(RUN, "run.json")["reason_code"], "unexpected_request");
    assert_eq!(play.go("live").kinds, ["machine.rejected"]);
}

#[test]
fn an_order_rule_counts_every_status_that_the_run_ever_had() {
    // M-03: an earlier `paid` is enough, and a forced status counts as much as a requested one.
    let mut play = Play::of(ORDER);
    play.went("shipped");
    assert_eq!(play.go("delivered").outcome, Outcome::Rejected);
    play.went("paid");
    play.went("shipped");
    play.went("delivered");
    let mut play = Play::of(DEPLOYMENT);
    play.go("live");
    assert_eq!(play.go("canary").outcome, Outcome::Rejected, "never approved");
    let definition = definition(DEPLOYMENT);
    let Undefined::Force { to, .. } = definition.undefined() else { panic!("forces") };
    assert_eq!(definition.status(*to).name, "held");
    assert_eq!(definition.find("held"), Some(StatusId(4)));
}
