//! The plans under `docs/examples`, run as the README says.

use crate::support::{Done, Room};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn the_four_supply_chain_plans_end_as_they_say() {
    let room = Room::new();
    let out = room.path("").display().to_string();
    for (plan, code, status) in
        [("plan", 0, "success"), ("partial", 10, "partial"), ("failed", 20, "failed"), ("gate", 20, "failed")]
    {
        let plan = repository().join(format!("docs/examples/supply-chain/{plan}.toml"));
        let done = room.ends(code, &["run", &plan.display().to_string(), "--out", &out, "--json"]);
        assert_eq!(done.json()["status"], status, "{done:?}");
    }
    room.ends(0, &["verify"]);
    room.ends(0, &["project", "--check", "."]);
    let replay: Value = room.ends(0, &["replay", "--json"]).json();
    assert_eq!(replay["runs"], 4);
}

#[test]
fn k13_the_plans_with_a_registry_end_as_they_say_and_conform() {
    let room = Room::new();
    let out = room.path("").display().to_string();
    let plan = |name: &str| repository().join(format!("docs/examples/registry/{name}.toml")).display().to_string();
    let run = |name: &str, code: i32| {
        let done = room.ends(code, &["run", &plan(name), "--out", &out, "--json"]);
        let run = done.lines()[0]["run"].as_str().unwrap().to_owned();
        (run.clone(), room.path("runs").join(&run))
    };
    let (id, bundle) = run("plan", 0);
    let read = |path: &str| std::fs::read_to_string(bundle.join(path)).unwrap();
    assert_eq!(read("report/report.json"), "{\"contract_version\":\"1.0.0\",\"texts\":2,\"total\":17}");
    assert_eq!(read("report/summary.md"), "17 words in 2 texts\n");
    assert!(read("measured/words/log.json").contains("\"grows\""));
    let shown: Value = room.ends(0, &["show", &id, "--json"]).json();
    let contract = |path: &str| {
        let mut artifacts = shown["artifacts"].as_array().unwrap().iter();
        let found = artifacts.find(|artifact| artifact["path"] == path).unwrap();
        found["contract"].as_str().unwrap().to_owned()
    };
    assert_eq!(contract("measured/words/truth.json"), "word_list");
    let bundle = bundle.display().to_string();
    room.ends(0, &["conform", &bundle, "--plan", &plan("plan"), "--exit-code", "0"]);
    // A stage with the outcome success whose bound file is missing does not conform (check 23).
    std::fs::remove_file(Path::new(&bundle).join("summed/total.json")).unwrap();
    let done = room.ends(1, &["conform", &bundle, "--plan", &plan("plan")]);
    assert!(done.out.contains("summed/total.json"), "{done:?}");

    let (_, bundle) = run("gate", 20);
    let report = std::fs::read_to_string(bundle.join("logs/contract_validation/measure.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["artifacts"][0]["artifact_path"], "measured/texts.jsonl");
    assert_eq!(report["artifacts"][0]["contract_version"], "1.1.0");
    assert_eq!(report["artifacts"][0]["errors"].as_array().unwrap().len(), 2, "a line each");
    assert!(!bundle.join("measured").exists() && !bundle.join("summed").exists());
    room.ends(0, &["conform", &bundle.display().to_string(), "--plan", &plan("gate"), "--exit-code", "20"]);
    room.ends(0, &["replay"]);
}

#[test]
fn a_registry_that_cannot_be_used_refuses_the_plan_and_starts_nothing() {
    let room = Room::new();
    let text = std::fs::read_to_string(repository().join("docs/examples/registry/plan.toml")).unwrap();
    room.write("plan.toml", &text);
    room.write("contracts/registry.json", "{\"registry_version\": \"0.2.1\"}");
    let done = room.ends(2, &["run", "plan.toml"]);
    assert!(done.err.contains("plan.toml:3:12: registry `contracts/registry.json`: required member"), "{done:?}");
    assert!(!room.path("evlog").exists() && !room.path("runs").exists(), "nothing was touched");
}

/// The text that the README shows for the run that fails, in the words of [`words`].
fn shown_in_the_readme(readme: &str) -> Vec<Vec<&str>> {
    let (_, rest) = readme.split_once("```text\nrun two\n").unwrap();
    rest.split_once("```").unwrap().0.lines().map(words).collect()
}

/// A line without what differs from run to run: how long something took.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().filter(|word| word.parse::<f64>().is_err()).collect()
}

/// The commands of a page, in a directory with a log of one run: `ID` in them means this run.
fn follow(page: &str) {
    let room = Room::new();
    let plan = repository().join("docs/examples/supply-chain/plan.toml").display().to_string();
    let run = room.ends(0, &["run", &plan, "--json"]).json()["run"].as_str().unwrap().to_owned();
    follow_in(&room, page, &run);
}

/// The commands of a page, except those that build, those that never end or need a terminal, and those that need tools of others. A
/// command ends with 0, or as its comment says.
fn follow_in(room: &Room, page: &str, run: &str) {
    let text = std::fs::read_to_string(repository().join(page)).unwrap();
    let plan = repository().join("docs/examples/supply-chain/plan.toml").display().to_string();
    let bin = Path::new(env!("CARGO_BIN_EXE_evlog")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let left_out = |line: &str| {
        line.starts_with("cargo ") || ["tail -f", "evlog top", "b3sum"].iter().any(|word| line.contains(word))
    };
    let commands: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("$ ")).filter(|line| !left_out(line)).collect();
    assert!(commands.len() > 3, "{commands:?}");
    for command in commands {
        let code = command.split_once("# exit code ").map_or(0, |(_, code)| code.parse::<i32>().unwrap());
        let mut shell = Command::new("sh");
        let command =
            command.replace("PLAN.toml", &plan).replace(" ID", &format!(" {run}")).replace("/ID", &format!("/{run}"));
        shell.args(["-c", &command]).current_dir(room.path("")).env("PATH", &path).env_remove("EVLOG_LOG");
        let done = Done::from(shell.output().unwrap());
        assert_eq!(done.code, code, "{command}: {done:?}");
        if code == 20 && page == "README.md" {
            let printed: Vec<Vec<&str>> = done.err.lines().skip(1).map(words).collect();
            assert_eq!(printed, shown_in_the_readme(&text), "the README shows another text: {done:?}");
        }
    }
}

#[test]
fn the_commands_of_the_readme_end_as_it_says() {
    follow("README.md");
}

#[test]
fn the_commands_of_the_page_on_replay_end_as_it_says() {
    follow("docs/replay.md");
}

#[test]
fn the_commands_of_the_page_on_ci_end_as_it_says() {
    follow("docs/ci.md");
}

#[test]
fn the_commands_of_the_page_on_exports_end_as_it_says() {
    follow("docs/export.md");
}

#[test]
fn the_commands_of_the_guides_end_as_they_say() {
    follow_in(&Room::new(), "docs/ten-minutes.md", "");
    follow("docs/for-auditors.md");
    follow("docs/for-operators.md");
}

/// The command lines of evlog in a job file: the words up to the end of the command.
fn evlog_calls(text: &str) -> Vec<Vec<&str>> {
    let calls = text.lines().filter(|line| !line.trim_start().starts_with('#')).filter_map(|line| {
        let (before, call) = line.split_once("evlog ")?;
        (before.is_empty() || before.ends_with([' ', '"'])).then_some(call)
    });
    let is_end = |word: &&str| !matches!(*word, ">" | ">>" | "||");
    calls.map(|call| call.split_whitespace().take_while(is_end).collect()).collect()
}

#[test]
fn the_job_files_for_ci_call_commands_and_options_that_exist() {
    let room = Room::new();
    for (name, is_yaml) in [("github.yml", true), ("gitlab.yml", true), ("pipeline.sh", false)] {
        let text = std::fs::read_to_string(repository().join("docs/examples/ci").join(name)).unwrap();
        let calls = evlog_calls(&text);
        assert_eq!(calls.len(), 4, "{name}: {calls:?}");
        for call in calls {
            let help = room.ends(0, &["help", call[0]]).out;
            for option in call.iter().filter(|word| word.starts_with("--")) {
                assert!(help.contains(option), "{name}: `evlog {}` has no {option}", call[0]);
            }
        }
        if is_yaml {
            let events = saphyr_parser::Parser::new_from_str(&text).collect::<Result<Vec<_>, _>>();
            assert!(events.is_ok(), "{name}: {events:?}");
        }
    }
}

#[test]
fn the_job_in_plain_shell_ends_as_its_run_and_its_checks_do() {
    let room = Room::new();
    room.ends(0, &["run", "--init", "first"]);
    let plan = std::fs::read_to_string(room.path("first/plan.toml")).unwrap();
    room.write("first/wrong.toml", &plan.replace("\"parcels\":%s", "\"parcels\":\"%s\""));
    let bin = Path::new(env!("CARGO_BIN_EXE_evlog")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let job = repository().join("docs/examples/ci/pipeline.sh");
    let work = |name: &str, before: &str, plan: &str| {
        std::fs::create_dir_all(room.path(name).join("target")).unwrap();
        let script = format!("{before}\nexec {} ../first/{plan}.toml", job.display());
        let done = Command::new("sh").args(["-c", &script]).current_dir(room.path(name)).env("PATH", &path).output();
        Done::from(done.unwrap())
    };
    assert_eq!(work("good", "", "plan").code, 0);
    assert_eq!(work("bad", "", "wrong").code, 20);
    // A check that says no, after a run that succeeded.
    let refused = "mkdir bin; printf '#!/bin/sh\\n[ $1 != project ] || exit 1\\n' > bin/evlog; chmod +x bin/evlog; PATH=$PWD/bin:$PATH";
    assert_eq!(work("checked", refused, "plan").code, 1);
}
