//! Diagrams of contracts, compared with reviewed ones.

use super::{lifecycle, pipeline};
use evlog_lifecycle::form::{Definition, built_in};

#[test]
fn a_lifecycle_is_drawn_as_a_state_diagram() {
    let expected = "\
---
title: status
---
stateDiagram-v2
  s0 : created
  s1 : running
  s2 : waiting
  s3 : success
  s4 : failed
  s5 : denied
  s6 : timeout
  s7 : canceled
  [*] --> s0
  s0 --> s1
  s1 --> s2
  s1 --> s3
  s1 --> s4
  s1 --> s5
  s1 --> s6
  s1 --> s7
  s2 --> s1
  s2 --> s7
  s3 --> [*]
  s4 --> [*]
  s5 --> [*]
  s6 --> [*]
  s7 --> [*]
  note right of s4
    every undefined transition leads here
  end note
  note left of s4
    needs diagnostic, object
  end note
  note left of s5
    needs diagnostic, object
  end note
  note left of s6
    needs diagnostic, object
  end note
";
    assert_eq!(lifecycle::mermaid(&built_in::status()), expected);
}

#[test]
fn a_pipeline_is_drawn_as_a_flowchart_with_its_substages() {
    let drawn = pipeline::mermaid(&built_in::purple_axiom());
    assert!(drawn.starts_with("---\ntitle: purple-axiom\n---\nflowchart LR\n  s0[\"lab_provider<br/>fail_closed\"]\n"));
    for line in [
        "  s8[\"signing<br/>fail_closed<br/>off by default\"]",
        "  s7 --> s8",
        "  t0([\"performance_budgets\"])",
        "  t0 -.-> s5",
        "  t5 -.->|same_code| s1",
    ] {
        assert!(drawn.lines().any(|drawn| drawn == line), "{line}\n{drawn}");
    }
}

#[test]
fn the_words_of_the_diagram_language_are_no_trouble_as_names() {
    let text = "name = \"end\"\nstatuses = [\"state\", \"note\", \"end\"]\nterminal = [\"end\"]\nreason_codes = [{ status = \"end\", code = \"class\", about = \"x: \\\"y\\\"; %% z\" }]\n[transitions]\nstate = [\"note\"]\nnote = [\"end\"]\n";
    let Ok(Definition::Lifecycle(lifecycle)) = Definition::parse(text) else { panic!("a lifecycle") };
    let drawn = lifecycle::mermaid(&lifecycle);
    assert!(drawn.contains("  s0 : state\n") && drawn.contains("  s1 --> s2\n") && drawn.contains("    code class\n"));
}
