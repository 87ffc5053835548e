//! Rules on order in a lifecycle's definition (M-13).

use super::{Lifecycle, RUN, definition};
use crate::lifecycle::payload::{Created, Payload};
use crate::testing::{Harness, addressed};
use evlog_projection::Contracts;
use evlog_rules::Rule;
use serde_json::json;

const PAYMENT: &str = include_str!("../../../../../docs/examples/contracts/payment.toml");

/// The first transition that the fold refuses because of a rule, by its index, and why. Each transition has an actor. The
/// commands are decided by the same lifecycle without enforced rules.
fn refused(text: &str, transitions: &[(&str, &str)]) -> Option<(usize, String)> {
    let free = definition(&text.replace("enforce = true", "enforce = false"));
    let mut harness = Harness::new(Lifecycle::default().knowing(free));
    harness.accept(addressed(RUN, "create", json!({"machine": "payment", "data": {"cents": 5}})));
    for (to, actor) in transitions {
        let mut command = addressed(RUN, "transition", json!({"to": to}));
        command["actor"] = (*actor).into();
        harness.accept(command);
    }
    let enforced = definition(text);
    let Ok(Payload::Created(created)) = Payload::decode(&harness.log[0].fact().event) else { panic!("a creation") };
    let definition_text = enforced.text().to_owned();
    let created = Payload::Created(Created { definition: enforced.digest(), definition_text, ..created });
    harness.log[0].payload = created.encode().expect("short");
    let contracts = Contracts::new().with(Lifecycle::default());
    let mut fold = contracts.start(&harness.log[0].fact()).expect("the first event");
    for (at, event) in harness.log[1..].iter().enumerate() {
        if let Err(error) = fold.evolve(&event.fact()) {
            assert!(error.is_of_rule, "{error}");
            return Some((at, error.message));
        }
    }
    None
}

#[test]
fn an_event_that_breaks_an_enforced_rule_of_the_runs_lifecycle_is_refused() {
    // M-13.
    assert_eq!(refused(PAYMENT, &[("approved", "ann"), ("executed", "bob")]), None);
    let expected = "rule `four-eyes` of the run's contract: expected: who approves a payment does not execute it; found: none that \
                    fits came before it; the nearest is seq 1";
    assert_eq!(refused(PAYMENT, &[("approved", "ann"), ("executed", "ann")]), Some((1, expected.to_owned())));
    let once = PAYMENT.split("[[rule]]").next().unwrap_or_default().to_owned()
        + "[[rule]]\nname = \"r\"\ntemplate = \"not_succession\"\nfirst = \"machine.created\"\n\
           then = { kind = \"machine.transitioned\", where = [\"payload.to=withdrawn\"] }\nenforce = true\n";
    let (at, why) = refused(&once, &[("approved", "ann"), ("withdrawn", "ann")]).expect("refused");
    assert!(at == 1 && why.ends_with("found: it came after the other (seq 0)"), "{at}: {why}");
}

#[test]
fn a_lifecycle_with_rules_reads_again_from_its_text_and_one_without_has_no_such_member() {
    // M-01, M-13.
    let payment = definition(PAYMENT);
    assert_eq!(payment.rules().iter().map(Rule::is_enforced).collect::<Vec<_>>(), [true, false]);
    let value = serde_json::from_str(payment.text()).expect("JSON");
    let flaws = crate::fields::Flaws::default();
    let again = crate::lifecycle::read(value, "", crate::fields::Origin::Brought, &flaws).expect("the same");
    assert_eq!((again.text(), &again), (payment.text(), &*payment));
    assert!(!definition(super::ORDER).text().contains("\"rule\""));
}
