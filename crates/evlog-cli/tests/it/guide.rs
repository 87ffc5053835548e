//! What the program says about itself: help, completions, man pages.

use crate::support::{Done, Room, files_below};
use std::path::Path;
use std::process::Command;

/// The subcommands that a help text lists.
fn commands_of(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).filter(|name| name != "help").collect()
}

/// Every command, as its words after `evlog`.
pub(crate) fn every_command(room: &Room) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(words) = open.pop() {
        let mut typed: Vec<&str> = words.iter().map(String::as_str).collect();
        typed.push("--help");
        let help = room.ends(0, &typed);
        open.extend(commands_of(&help.out).into_iter().map(|name| [words.clone(), vec![name]].concat()));
        found.push(words);
    }
    assert!(found.len() > 30, "{found:?}");
    found
}

#[test]
fn help_of_a_command_is_what_its_own_option_prints() {
    let room = Room::new();
    for command in [&["run"][..], &["verify"], &["key"], &["key", "new"], &["contract", "check"]] {
        let asked = room.ends(0, &[&["help"], command].concat());
        assert_eq!(asked.out, room.ends(0, &[command, &["--help"]].concat()).out);
        assert!(asked.err.is_empty());
    }
    assert_eq!(room.ends(0, &["help"]).out, room.ends(0, &["--help"]).out);
    room.ends(2, &["help", "no-such-command"]).says("no-such-command");
}

#[test]
fn every_command_has_a_man_page_that_names_its_options() {
    let room = Room::new();
    let answer = room.ends(0, &["man", "pages", "--json"]).json();
    let mut expected = Vec::new();
    for words in every_command(&room) {
        let name = format!("pages/{}.1", [&["evlog".to_owned()], words.as_slice()].concat().join("-"));
        let page = std::fs::read_to_string(room.path(&name)).unwrap().replace("\\-", "-");
        let help = room.ends(0, &[words.iter().map(String::as_str).collect(), vec!["--help"]].concat()).out;
        let options = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
        for option in options.map(|word| word.trim_end_matches(|end: char| !end.is_ascii_alphanumeric())) {
            let option = option.split(['[', '=']).next().unwrap();
            assert!(page.contains(option), "{name} does not name {option}");
        }
        expected.push(name);
    }
    expected.sort();
    assert_eq!(answer["files"], serde_json::json!(expected));
    assert_eq!(room.ends(0, &["man"]).out, std::fs::read_to_string(room.path("pages/evlog.1")).unwrap());
    room.ends(0, &["man", "pages"]);
}

/// Examples stay one a line: a program that formats pages would otherwise join them. It fills paragraphs.
#[test]
fn a_man_page_keeps_the_lines_of_examples_and_fills_paragraphs() {
    let room = Room::new();
    let page = room.ends(0, &["man"]).out;
    let notes = page.split(".SH NOTES\n").nth(1).unwrap();
    assert!(notes.starts_with(".PP\n.nf\nExit codes:\n") && notes.ends_with("\n.fi\n"), "{notes}");
    assert!(!page.contains(".SH EXTRA"));
    room.ends(0, &["man", "pages"]);
    let page = std::fs::read_to_string(room.path("pages/evlog-audit.1")).unwrap();
    let notes = page.split(".SH NOTES\n").nth(1).unwrap();
    assert!(notes.contains("\n.fi\n.PP\nThe exit code is 1 if a finding"), "{notes}");
}

#[test]
fn help_fits_a_terminal_with_80_columns() {
    let room = Room::new();
    for words in every_command(&room) {
        let typed: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help: Done = room.command(&typed).env("COLUMNS", "80").output().unwrap().into();
        let wide: Vec<&str> = help.out.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(help.code == 0 && wide.is_empty(), "{typed:?}: {wide:#?}");
    }
}

#[test]
fn bash_completes_commands_and_options() {
    let room = Room::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(room.ends(0, &["completions", shell]).out.contains("check-evidence"), "{shell}");
    }
    let script = room.ends(0, &["completions", "bash"]).out;
    assert_eq!(room.ends(0, &["completions", "bash", "--json"]).json()["script"], script);
    room.write("evlog.bash", &script);
    let asked = r#"
        source ./evlog.bash && complete -p evlog > /dev/null || exit 9
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _evlog evlog "${*: -1}" "${*: -2:1}"; echo "${COMPREPLY[*]}"; }
        ask evlog veri; ask evlog verify --checkp; ask evlog key n; ask evlog completions ba"#;
    let done = Command::new("bash").args(["--norc", "-c", asked]).current_dir(room.path("")).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    let offered: Vec<&str> = said.lines().collect();
    assert_eq!(offered[0], "verify", "{said}");
    assert_eq!(offered[1], "--checkpoint", "{said}");
    assert_eq!(offered[2..], ["new", "bash"], "{said}");
}

#[test]
fn version_shows_what_the_program_reads_and_makes() {
    let room = Room::new();
    let shown = room.ends(0, &["version", "--json"]).json();
    let [format, json] = [&shown["format"], &shown["json"]];
    assert_eq!((&format["reads"][0], &json[0]), (&format["writes"], &serde_json::json!(1)));
    let projections = shown["projections"].as_array().unwrap();
    assert!(projections.iter().any(|made| made["name"] == "status.run" && made["version"].is_u64()), "{shown}");
    // The build runs no other program to find the commit.
    let named = option_env!("EVLOG_COMMIT").filter(|commit| !commit.is_empty());
    assert_eq!(shown["commit"].as_str(), named);
    let text = room.ends(0, &["version"]).out;
    let line = |label: &str| text.lines().find_map(|line| line.strip_prefix(label)).map(|rest| rest.trim().to_owned());
    assert_eq!(line("commit"), Some(named.unwrap_or("unknown").to_owned()));
    assert_eq!(line("evlog"), shown["version"].as_str().map(str::to_owned));
    let one = room.ends(0, &["--version"]).out;
    assert_eq!(one, format!("evlog {}\n", shown["version"].as_str().unwrap()));
}

#[test]
fn a_mistyped_name_is_answered_with_the_one_that_is_near() {
    let room = Room::with_batch();
    for command in [&["show", "RUN_001"][..], &["explain", "run_0001"], &["cat", "--run", "RUN_0010"]] {
        room.ends(1, command).says("no run `").says("did you mean `RUN_0001`?");
    }
    assert!(!room.ends(1, &["show", "nothing-like-it"]).err.contains("did you mean"));
    room.ends(2, &["diff", "1", "4", "RUN_001"]).says("did you mean `RUN_0001`?");
    room.write(
        "plan.toml",
        "name = \"p\"\n[[stage]]\nid = \"a\"\ncommand = [\"true\"]\nreason_code = \"input_missing\"\n",
    );
    for option in ["--retry", "--resume"] {
        room.ends(2, &["run", "plan.toml", option, "RUN_001"]).says("did you mean `RUN_0001`?");
    }
    room.ends(2, &["runs", "--contract", "sttatus"]).says("did you mean `status`?");
    room.ends(2, &["cat", "--kind", "status.creatd"]).says("did you mean `status.created`?");
    room.ends(0, &["runs", "--status", "faild"]).says("no run has the status `faild`; did you mean `failed`?");
    assert!(room.ends(0, &["runs", "--status", "failed"]).err.is_empty());
}

#[test]
fn where_there_is_no_log_the_one_that_is_near_is_named() {
    let room = Room::with_batch();
    let within = room.command(&["tail"]).current_dir(room.path("evlog")).output().unwrap();
    let said = String::from_utf8(within.stderr).unwrap();
    assert!(said.contains("there is a log at `.`: `--log .` names it"), "{said}");
    room.ends(2, &["--log", ".", "runs"]).says("there is a log at `./evlog`: `--log ./evlog` names it");
    let elsewhere = Room::new().ends(2, &["runs"]);
    elsewhere.says("`evlog init` makes one");
}

#[test]
fn the_demo_finds_a_forged_byte_and_leaves_nothing_behind() {
    let room = Room::new();
    std::fs::create_dir(room.path("tmp")).unwrap();
    let demo = |options: &[&str]| -> Done {
        let mut command = room.command(&[&["demo"], options].concat());
        command.env("TMPDIR", room.path("tmp")).output().unwrap().into()
    };
    let shown = demo(&[]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.out.contains("$ evlog cat --run demo\n") && shown.out.contains("clean"), "{shown:?}");
    assert!((12..=24).contains(&shown.out.lines().count()), "{}", shown.out);
    let forged = demo(&["--tamper"]);
    assert_eq!(forged.code, 1, "{forged:?}");
    assert!(forged.out.contains("3 parcels are 9 now") && forged.err.contains("finding:"), "{forged:?}");
    // Below the command that finds it, not above the whole story.
    let typed = [env!("CARGO_BIN_EXE_evlog"), "demo", "--tamper"];
    let seen = room.on_a_terminal(&typed, &[("NO_COLOR", "1"), ("TMPDIR", room.path("tmp").to_str().unwrap())]).out;
    assert!(seen.find("$ evlog verify") < seen.find("finding:"), "{seen}");
    let json = demo(&["--tamper", "--json"]);
    assert_ne!(json.lines().last().unwrap()["verdict"], "clean");
    assert_eq!(std::fs::read_dir(room.path("tmp")).unwrap().count(), 0);
    assert!(!room.path("evlog").exists());
}

/// The script that packages and `just install` use: what it puts where, with nothing left of an earlier version.
#[test]
fn an_installation_has_the_program_its_man_pages_and_its_completions() {
    let room = Room::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/install");
    let install = |program: &str, prefix: &str| {
        let done = Command::new(&script).args([program, prefix]).current_dir(room.path("")).output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let program = env!("CARGO_BIN_EXE_evlog");
    room.write("one/share/man/man1/evlog-gone.1.gz", "a command of an earlier version");
    room.write("one/share/man/man1/other.1.gz", "a program of somebody else");
    for prefix in ["one", "two"] {
        assert_eq!(install(program, prefix), (Some(0), String::new()));
    }
    let mut files = files_below(&room.path("one"));
    files.sort();
    let names: Vec<&str> =
        files.iter().map(|file| file.strip_prefix(room.path("one")).unwrap().to_str().unwrap()).collect();
    assert!(!names.contains(&"share/man/man1/evlog-gone.1.gz"), "{names:?}");
    for name in names.iter().filter(|name| !name.ends_with("other.1.gz")) {
        assert_eq!(
            std::fs::read(room.path("one").join(name)).unwrap(),
            std::fs::read(room.path("two").join(name)).unwrap(),
            "{name}"
        );
    }
    let pages = names.iter().filter(|name| name.starts_with("share/man/man1/evlog")).count();
    assert_eq!(pages, every_command(&room).len());
    let expected =
        ["bin/evlog", "share/bash-completion/completions/evlog", "share/fish/vendor_completions.d/evlog.fish"];
    assert!(
        expected
            .iter()
            .chain(&["share/zsh/vendor-completions/_evlog", "share/evlog/evlog_reader.py"])
            .all(|name| names.contains(name)),
        "{names:?}"
    );
    let installed = Command::new(room.path("two/bin/evlog")).arg("--version").output().unwrap();
    assert_eq!(installed.stdout, room.ends(0, &["--version"]).out.as_bytes());
    for wrong in ["missing", "one"] {
        let (code, said) = install(wrong, "three");
        assert!(code == Some(2) && said.starts_with("usage: tools/install PROGRAM PREFIX"), "{said}");
        assert!(!room.path("three").exists());
    }
}
