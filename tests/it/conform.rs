//! The checks of `evlog conform` over the bundles of `tests/conform/cases.toml`: which findings, and in which words.
//!
//! Each check has a bundle that it accepts and one that it rejects: B-01 B-02 B-03 B-04 B-05 B-06 B-07 B-08 B-09 B-10 B-11
//! B-12 B-13 B-14 B-15 B-16 B-17 B-18 B-19 B-20 B-21 B-22 B-23 B-24 B-25 B-26 B-27 B-28 B-29 B-30 B-31 B-35 B-41 B-43.

use evlog_conform::{Bundle, CHECKS, Conformance, Known, Needs, NotRun, Yardstick, conform};
use evlog_pipeline::Plan;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const RUN: &str = "11111111-1111-4111-8111-111111111111";
const STAGES: [&str; 9] = [
    "lab_provider",
    "runner",
    "telemetry",
    "normalization",
    "validation",
    "detection",
    "scoring",
    "reporting",
    "signing",
];
/// What the plan's stages leave, by stage.
const OUTPUTS: [(&str, &str); 7] = [
    ("lab_provider", "logs/lab_inventory_snapshot.json"),
    ("runner", "ground_truth.jsonl"),
    ("telemetry", "logs/telemetry_validation.json"),
    ("normalization", "normalized/mapping_coverage.json"),
    ("validation", "criteria/results.jsonl"),
    ("scoring", "scoring/summary.json"),
    ("reporting", "report/run_timeline.md"),
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conform")
}

/// A row of the table.
struct Case<'t>(&'t toml::Table);

impl<'t> Case<'t> {
    fn text(&self, key: &str) -> Option<&'t str> {
        self.0.get(key).map(|value| value.as_str().unwrap())
    }

    fn list(&self, key: &str) -> Option<Vec<&'t str>> {
        let items = self.0.get(key)?.as_array()?;
        Some(items.iter().map(|item| item.as_str().unwrap()).collect())
    }

    fn number(&self, key: &str) -> Option<u8> {
        self.0.get(key).map(|value| value.as_integer().unwrap().try_into().unwrap())
    }

    fn title(&self) -> String {
        let check = self.number("check").map(|number| format!("B-{number:02}"));
        let source = check.or(self.text("source").map(str::to_owned)).unwrap();
        format!("{source}: {}", self.text("name").unwrap())
    }
}

fn index_of(stage: &str) -> usize {
    let root = stage.split('.').next().unwrap();
    STAGES.iter().position(|known| *known == root).unwrap_or(STAGES.len())
}

fn configured(stage: &str) -> &'static str {
    if stage == "validation" { "ws" } else { "fc" }
}

/// `stage F/fc/code` as a manifest holds it.
fn tuple(text: &str) -> Value {
    let (stage, rest) = text.trim().split_once(' ').unwrap();
    let mut parts = rest.split('/');
    let status = match parts.next().unwrap() {
        "S" => "success",
        "F" => "failed",
        "K" => "skipped",
        other => panic!("{other} is no status"),
    };
    let mode = if parts.next().unwrap() == "fc" { "fail_closed" } else { "warn_and_skip" };
    let mut value = json!({"stage": stage, "status": status, "fail_mode": mode});
    if let Some(code) = parts.next().filter(|code| *code != "-") {
        value["reason_code"] = code.into();
    }
    value
}

/// The outcomes of a case, and the stages that left nothing.
fn outcomes(case: &Case<'_>) -> (Vec<Value>, Vec<&'static str>) {
    if let Some(list) = case.text("list") {
        return (list.split(';').filter(|text| !text.is_empty()).map(tuple).collect(), Vec::new());
    }
    let named: Vec<&str> = case.text("outcomes").unwrap_or_default().split(';').map(str::trim).collect();
    let mut all: BTreeMap<(usize, String), Value> = BTreeMap::new();
    let mut put = |value: Value| {
        let stage = value["stage"].as_str().unwrap().to_owned();
        all.insert((index_of(&stage), stage), value);
    };
    STAGES[..8].iter().for_each(|stage| put(tuple(&format!("{stage} S/{}", configured(stage)))));
    let listed = named.iter().filter(|text| !text.is_empty() && **text != "~");
    let last = listed.clone().map(|text| index_of(text.split(' ').next().unwrap())).max();
    listed.for_each(|text| put(tuple(text)));
    let mut silent = Vec::new();
    if named.contains(&"~") {
        let from = last.unwrap();
        silent = STAGES[from..8].to_vec();
        let tail = STAGES[from + 1..8].iter();
        tail.for_each(|stage| put(tuple(&format!("{stage} K/{}/blocked_by_upstream_failure", configured(stage)))));
    }
    (all.into_values().collect(), silent)
}

/// The status that follows from the outcomes, computed without the code of the checks.
fn status(outcomes: &[Value]) -> &'static str {
    let any = |test: &dyn Fn(&Value) -> bool| outcomes.iter().any(test);
    let failed = |value: &Value| value["status"] == "failed";
    let blocked = |value: &Value| value["reason_code"] == "blocked_by_upstream_failure";
    if any(&|value| failed(value) && value["fail_mode"] == "fail_closed") {
        return "failed";
    }
    if any(&failed) {
        return "partial";
    }
    if any(&blocked) { "failed" } else { "success" }
}

/// A bundle in a directory of its own.
struct Room {
    dir: tempfile::TempDir,
    name: String,
}

impl Room {
    fn new(base: &toml::Table, case: &Case<'_>) -> Room {
        let room = Room { dir: tempfile::tempdir().unwrap(), name: case.text("directory").unwrap_or(RUN).to_owned() };
        fs::create_dir(room.bundle()).unwrap();
        for (path, text) in base["files"].as_table().unwrap() {
            room.write(path, text.as_str().unwrap().as_bytes());
        }
        let (outcomes, silent) = outcomes(case);
        for (path, member) in [("manifest.json", "stage_outcomes"), ("logs/health.json", "stages")] {
            let mut value = room.json(path);
            value[member] = outcomes.clone().into();
            value["status"] = status(&outcomes).into();
            room.write_json(path, &value);
        }
        for (_, path) in OUTPUTS.iter().filter(|(stage, _)| silent.contains(stage)) {
            let _absent = fs::remove_file(room.path(path));
        }
        case.list("edit").unwrap_or_default().iter().for_each(|edit| room.edit(base, edit));
        room
    }

    /// The same bundle, edited further: another execution.
    fn another(&self, base: &toml::Table, edits: &[&str]) -> Room {
        let room = Room { dir: tempfile::tempdir().unwrap(), name: self.name.clone() };
        let copied = std::process::Command::new("cp").arg("-R").arg(self.bundle()).arg(room.bundle()).status();
        assert!(copied.unwrap().success());
        for edit in edits {
            room.edit(base, edit);
        }
        room
    }

    fn bundle(&self) -> PathBuf {
        self.dir.path().join(&self.name)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.bundle().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let place = self.path(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, bytes).unwrap();
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(path)).unwrap()).unwrap()
    }

    fn write_json(&self, path: &str, value: &Value) {
        // The keys of these maps are sorted, and there is no number that RFC 8785 would write in another way.
        self.write(path, value.to_string().as_bytes());
    }

    fn edit(&self, base: &toml::Table, edit: &str) {
        if let Some((place, text)) = edit.split_once(" = ") {
            return match place.split_once('#') {
                Some((path, pointer)) => self.set(path, pointer, Some(serde_json::from_str(text).unwrap())),
                None => self.write_text(base, place, text),
            };
        }
        if let Some((path, text)) = edit.split_once(" << ") {
            let mut bytes = fs::read(self.path(path)).unwrap();
            bytes.extend_from_slice(text.as_bytes());
            return self.write(path, &bytes);
        }
        if let Some((path, target)) = edit.split_once(" -> ") {
            return symlink(target, self.path(path)).unwrap();
        }
        let (place, what) = edit.rsplit_once(' ').unwrap();
        match what {
            "-" => {
                let (path, pointer) = place.split_once('#').unwrap();
                self.set(path, pointer, None);
            }
            "/" => fs::create_dir_all(self.path(place)).unwrap(),
            "!" if self.path(place).is_dir() => fs::remove_dir_all(self.path(place)).unwrap(),
            "!" => fs::remove_file(self.path(place)).unwrap(),
            other => panic!("{other:?} is no edit: {edit}"),
        }
    }

    fn write_text(&self, base: &toml::Table, path: &str, text: &str) {
        match text {
            "@report" => self.write(path, base["report"].as_str().unwrap().as_bytes()),
            "@bytes" => self.write(path, b"{\"run_id\":\"\xff\xfe\"}"),
            "@brackets" => self.write(path, "[".repeat(100_000).as_bytes()),
            "@huge" => fs::File::create(self.path(path)).unwrap().set_len(64 * 1024 * 1024 + 1).unwrap(),
            text => self.write(path, text.as_bytes()),
        }
    }

    fn set(&self, path: &str, pointer: &str, value: Option<Value>) {
        let mut document = self.json(path);
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match (document.pointer_mut(parent).unwrap(), value) {
            (Value::Object(members), Some(value)) => drop(members.insert(name.to_owned(), value)),
            (Value::Object(members), None) => drop(members.remove(name).unwrap()),
            (Value::Array(items), Some(value)) => match name.parse::<usize>().unwrap() {
                at if at == items.len() => items.push(value),
                at => items[at] = value,
            },
            (Value::Array(items), None) => drop(items.remove(name.parse().unwrap())),
            (other, _) => panic!("{pointer} of {path}: {other} has no members"),
        }
        self.write_json(path, &document);
    }
}

/// The plan as the case changes it, or the one that it names.
fn changed_plan(case: &Case<'_>) -> Option<Plan> {
    if let Some(toml::Value::String(other)) = case.0.get("plan") {
        return Some(Plan::load(&directory().join(other)).unwrap());
    }
    let changes = case.list("plan")?;
    let mut text = fs::read_to_string(directory().join("plan.toml")).unwrap();
    for change in changes {
        if let Some((old, new)) = change.split_once(" ~> ") {
            assert!(text.contains(old), "{change}");
            text = text.replacen(old, new, 1);
            continue;
        }
        let (subject, rest) = change.split_once(' ').unwrap();
        let (after, line) = match rest.strip_prefix("= ") {
            Some(_) => ("name = \"conform\"\n".to_owned(), change),
            None => (format!("id = \"{subject}\"\n"), rest),
        };
        assert!(text.contains(&after), "{change}");
        text = text.replacen(&after, &format!("{after}{line}\n"), 1);
    }
    let room = tempfile::tempdir().unwrap();
    fs::write(room.path().join("plan.toml"), text).unwrap();
    fs::copy(directory().join("any.schema.json"), room.path().join("any.schema.json")).unwrap();
    Some(Plan::load(&room.path().join("plan.toml")).unwrap())
}

/// Compiled once: there are many cases.
static PURPLE_AXIOM: LazyLock<Yardstick> = LazyLock::new(|| Yardstick::named("purple-axiom").unwrap());
static PLAN: LazyLock<(Plan, Yardstick)> = LazyLock::new(|| {
    let plan = Plan::load(&directory().join("plan.toml")).unwrap();
    let yardstick = Yardstick::of_plan(&plan);
    (plan, yardstick)
});

fn judged(base: &toml::Table, case: &Case<'_>) -> Conformance {
    let changed = changed_plan(case).map(|plan| {
        let yardstick = Yardstick::of_plan(&plan);
        (plan, yardstick)
    });
    let with = match case.0.get("plan") {
        Some(toml::Value::Boolean(false)) => None,
        _ => Some(changed.as_ref().unwrap_or(&PLAN)),
    };
    let plan = with.map(|(plan, _)| plan);
    let yardstick = with.map_or(&*PURPLE_AXIOM, |(_, yardstick)| yardstick);
    let room = Room::new(base, case);
    let another = case.list("against").map(|edits| room.another(base, &edits));
    let against = another.as_ref().map(|room| Bundle::open(&room.bundle()).unwrap());
    let bundle = Bundle::open(&room.bundle()).unwrap();
    let known = Known { plan, exit_code: case.number("exit_code"), against: against.as_ref() };
    conform(&bundle, yardstick, &known).unwrap()
}

fn table() -> toml::Table {
    toml::from_str(&fs::read_to_string(directory().join("cases.toml")).unwrap()).unwrap()
}

#[test]
fn every_bundle_has_the_findings_of_its_row_and_no_others_in_the_words_that_are_on_file() {
    let table = table();
    let base = table["base"].as_table().unwrap();
    let (mut wrong, mut words) = (String::new(), String::new());
    for row in table["case"].as_array().unwrap() {
        let case = Case(row.as_table().unwrap());
        let found = judged(base, &case);
        let mut place = Vec::new();
        writeln!(words, "{}", case.title()).unwrap();
        for (check, finding) in found.findings() {
            let pointer = if finding.pointer.is_empty() { String::new() } else { format!("#{}", finding.pointer) };
            place.push(format!("{} {}{pointer}", check.number, finding.file));
            let root = directory().parent().unwrap().display().to_string();
            writeln!(words, "    {}: {}", check.number, finding.to_string().escape_debug()).unwrap();
            assert!(!finding.to_string().contains(&root), "no machine's path in findings");
        }
        // Some faults are reported by several findings at one place.
        place.dedup();
        let expected = case.list("finds").unwrap_or_default();
        if place != expected {
            writeln!(wrong, "{}\n    expected {expected:?}\n    found    {place:?}", case.title()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}\n{words}");
    let file = directory().join("findings.txt");
    if std::env::var_os("EVLOG_BLESS").is_some() {
        fs::write(&file, &words).unwrap();
    }
    assert_eq!(fs::read_to_string(file).unwrap_or_default(), words, "EVLOG_BLESS=1 writes it again");
}

#[test]
fn every_check_has_a_bundle_that_it_accepts_and_one_that_it_rejects() {
    let table = table();
    let (mut accepts, mut rejects) = (BTreeSet::new(), BTreeSet::new());
    for row in table["case"].as_array().unwrap() {
        let case = Case(row.as_table().unwrap());
        let Some(number) = case.number("check") else { continue };
        let finds = case.list("finds").unwrap_or_default();
        if finds.iter().any(|place| place.starts_with(&format!("{number} "))) {
            rejects.insert(number);
        } else if finds.is_empty() {
            let base = table["base"].as_table().unwrap();
            let asked = judged(base, &case).checks.into_iter().find(|checked| checked.check.number == number);
            // A bundle that a check did not read was not accepted.
            if asked.unwrap().answer.is_ok() || number == 35 {
                accepts.insert(number);
            }
        }
    }
    let all: BTreeSet<u8> = CHECKS.iter().map(|check| check.number).collect();
    assert_eq!(all.difference(&accepts).collect::<Vec<_>>(), Vec::<&u8>::new(), "without an accepting bundle");
    assert_eq!(all.difference(&rejects).collect::<Vec<_>>(), Vec::<&u8>::new(), "without a rejecting bundle");
}

/// Appendix C of the contract's source: the cases that it states for CI, by name.
const APPENDIX_C: [&str; 10] = [
    "happy_path_partial_threshold_degrade",
    "schema_invalid_health",
    "run_results_missing_when_required",
    "status_mismatch_report_thresholds",
    "report_timeline_missing_when_required",
    "artifact_path_timestamped_filename_blocked",
    "determinism_report_result_hash_mismatch_fail",
    "version_pins_mismatch_fail",
    "telemetry_validation_missing_when_enabled",
    "report_status_reasons_unsorted_or_duplicate",
];

#[test]
fn every_case_that_the_source_states_for_ci_has_an_accepting_and_a_rejecting_bundle() {
    let table = table();
    let rows: Vec<Case<'_>> =
        table["case"].as_array().unwrap().iter().map(|row| Case(row.as_table().unwrap())).collect();
    for source in APPENDIX_C {
        let of_it = || rows.iter().filter(|case| case.text("source") == Some(source));
        let finds = |case: &&Case<'_>| case.list("finds").is_some_and(|finds| !finds.is_empty());
        assert!(of_it().any(|case| finds(&case)), "{source} has no rejecting bundle");
        assert!(of_it().any(|case| !finds(&case)), "{source} has no accepting bundle");
    }
}

#[test]
fn what_a_check_needs_and_does_not_get_is_reported_and_not_passed() {
    let table = table();
    let base = table["base"].as_table().unwrap();
    let row: toml::Table = toml::from_str("name = \"x\"\ncheck = 1\nplan = false").unwrap();
    let found = judged(base, &Case(&row));
    let left = |needs: Needs| -> Vec<u8> {
        let missing = |checked: &&evlog_conform::Checked| checked.answer == Err(NotRun::Missing(needs));
        found.checks.iter().filter(missing).map(|checked| checked.check.number).collect()
    };
    assert_eq!(left(Needs::Plan), [11, 12, 20, 21, 23]);
    assert_eq!(left(Needs::ExitCode), [17]);
    assert_eq!(left(Needs::Against), [41]);
    assert_eq!(found.checks.len(), 34);
    let why = &found.checks.last().unwrap().answer;
    assert!(matches!(why, Err(NotRun::Impossible(why)) if why.contains("none was compared")), "{why:?}");
    assert!(found.conforms());
}

/// Checks 3 to 6 report what the schema refuses in single outcomes; check 1 does not repeat it.
#[test]
fn what_the_schema_refuses_of_an_outcome_is_refused_by_the_checks_of_outcomes() {
    let table = table();
    let base = table["base"].as_table().unwrap();
    let good =
        json!({"stage": "runner", "status": "failed", "fail_mode": "fail_closed", "reason_code": "execute_failed"});
    let mut tried = 0;
    for name in ["stage", "status", "fail_mode", "reason_code", "more"] {
        for value in
            [json!(null), json!(1), json!([]), json!({}), json!(""), json!("X"), json!("x-y"), json!("success")]
        {
            let mut outcome = good.clone();
            outcome[name] = value;
            let removed = good.as_object().unwrap().iter().filter(|(key, _)| *key != name);
            let removed: Map<String, Value> = removed.map(|(key, value)| (key.clone(), value.clone())).collect();
            for outcome in [outcome, removed.into()] {
                let edit = format!("edit = ['manifest.json#/stage_outcomes/1 = {outcome}']\nplan = false\ncheck = 1");
                let row: toml::Table = toml::from_str(&edit).unwrap();
                let found = judged(base, &Case(&row));
                let refused = found.findings().any(|(check, _)| (3..=6).contains(&check.number));
                let good = outcome == good || outcome["reason_code"] == "success";
                assert_eq!(refused, !good, "{outcome}");
                assert!(found.findings().all(|(check, _)| check.number != 1), "{outcome}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 80);
}

/// The table of `docs/conform.md` is the table of the code.
#[test]
fn the_page_lists_the_checks_as_the_code_does() {
    let page = fs::read_to_string(directory().join("../../docs/conform.md")).unwrap();
    let needs = |needs: Needs| match needs {
        Needs::Bundle => "",
        Needs::Plan => "`--plan`",
        Needs::ExitCode => "`--exit-code`",
        Needs::Against => "`--against`",
    };
    let rows: Vec<String> = page.lines().filter(|line| line.starts_with("| B-")).map(str::to_owned).collect();
    let row = |check: &evlog_conform::Check| {
        format!("| B-{:02} | `{}` | {} | {} |", check.number, check.code, check.title, needs(check.needs))
    };
    let expected: Vec<String> = CHECKS.iter().map(|check| row(check).replace("  |", " |")).collect();
    assert_eq!(rows, expected);
}

/// The events of a run are generated from a number, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    /// An outcome that the contract may or may not take.
    fn outcome(&mut self) -> Value {
        let substages = [
            "runner.environment_config",
            "runner.lifecycle_enforcement",
            "runner.state_reconciliation",
            "telemetry.clock_sync",
            "telemetry.agent.liveness",
            "validation.run_limits",
            "detection.performance_budgets",
            "scoring.of_our_own",
        ];
        let names: Vec<&str> = STAGES[..8].iter().chain(&substages).copied().collect();
        let stage = names[self.roll(names.len())];
        let definition = evlog_lifecycle::pipeline::purple_axiom();
        let codes: Vec<&str> = definition
            .catalogue()
            .rows()
            .filter(|(of, ..)| *of == stage || *of == "*")
            .map(|(_, code, _)| code)
            .collect();
        let mut members = json!({"stage": stage, "status": "success"});
        if self.roll(3) == 0 {
            members["status"] = ["failed", "failed", "failed", "skipped"][self.roll(4)].into();
            members["reason_code"] = codes[self.roll(codes.len())].into();
            if self.roll(2) == 0 {
                members["fail_mode"] = ["fail_closed", "warn_and_skip"][self.roll(2)].into();
            }
        }
        members
    }
}

/// The contract and the checks were written independently. The checks must have no findings about a run that the
/// contract accepts.
#[test]
fn every_run_that_the_contract_takes_to_its_end_conforms() {
    use crate::workload::{open, view};
    let fs = evlog_store::fs::sim::SimFs::default();
    let log = open(&fs, 1 << 20).unwrap();
    let table = table();
    let base: Value = serde_json::from_str(table["base"]["files"]["manifest.json"].as_str().unwrap()).unwrap();
    let manifest: Map<String, Value> = ["scenario", "versions", "inputs", "targets"]
        .map(|name| (name.to_owned(), base[name].clone()))
        .into_iter()
        .collect();
    let submit = |run: &str, action: &str, members: Value| {
        let Value::Object(members) = members else { unreachable!("an object") };
        log.submit(&evlog::Request::json("pipeline", run, action).members(members).build().unwrap()).unwrap().outcome
    };
    let mut ended = BTreeMap::<String, u32>::new();
    for seed in 0..60 {
        let run = format!("{seed:08}-1111-4111-8111-111111111111");
        let mut dice = Dice(seed);
        submit(&run, "create", json!({"pipeline": "purple-axiom", "manifest": manifest}));
        for _ in 0..dice.roll(12) {
            submit(&run, "outcome", dice.outcome());
        }
        for stage in &STAGES[..8] {
            submit(&run, "outcome", json!({"stage": stage, "status": "success"}));
        }
        if submit(&run, "finalize", json!({})) != evlog::answer::AnswerOutcome::Accepted {
            continue;
        }
        let bundle = view(&fs).bundle(&run).unwrap().unwrap();
        let dir = tempfile::tempdir().unwrap();
        for (path, file) in &bundle.files {
            let place = dir.path().join(&run).join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, &file.bytes).unwrap();
        }
        let found = conform(&Bundle::open(&dir.path().join(&run)).unwrap(), &PURPLE_AXIOM, &Known::default()).unwrap();
        // A stage that failed its gate owes a report, which nobody wrote here.
        let faults: Vec<String> = found
            .findings()
            .filter(|(check, _)| check.number != 25)
            .map(|(check, finding)| format!("{}: {finding}", check.number))
            .collect();
        let manifest = String::from_utf8_lossy(&bundle.files["manifest.json"].bytes);
        assert_eq!(faults, Vec::<String>::new(), "seed {seed}: {manifest}");
        let status = serde_json::from_str::<Value>(&manifest).unwrap()["status"].as_str().unwrap().to_owned();
        *ended.entry(status).or_default() += 1;
    }
    let kinds: Vec<&str> = ended.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["failed", "partial", "success"], "all ends are tried: {ended:?}");
    assert!(ended.values().sum::<u32>() > 30, "{ended:?}");
}
