//! Files of answers: none takes the place of the private key of its command, or of what the log holds.

use crate::support::{Room, files_below};
use std::fs;
use std::os::unix::fs::symlink;

/// A room with a signed log, and keys of the log and of a witness.
fn room() -> Room {
    let room = Room::with_batch();
    room.ends(0, &["key", "new", "builds.example.com", "--out", "b.key"]);
    room.ends(0, &["key", "new", "ci.example.com/w", "--witness", "--out", "w.key"]);
    room.ends(0, &["checkpoint", "--key", "b.key", "--out", "b.note"]);
    symlink("b.key", room.path("link")).unwrap();
    symlink("evlog", room.path("other")).unwrap();
    symlink("evlog/new", room.path("nowhere")).unwrap();
    fs::hard_link(room.path("w.key"), room.path("hard")).unwrap();
    room
}

#[test]
fn no_answer_replaces_the_key_or_a_file_of_the_log() {
    let room = room();
    room.write("one.jsonl", "{\"contract\":\"status\",\"run\":\"N\",\"do\":\"create\"}\n");
    room.write(
        "plan.toml",
        "name = \"p\"\n[[stage]]\nid = \"a\"\ncommand = [\"touch\", \"ran\"]\nreason_code = \"input_missing\"\n",
    );
    let segment = room.segments()[0].strip_prefix(room.path("")).unwrap().to_str().unwrap().to_owned();
    let kept = || {
        let files = files_below(&room.path("evlog")).into_iter().chain([room.path("b.key"), room.path("w.key")]);
        files.map(|path| (path.clone(), fs::read(path).unwrap())).collect::<Vec<_>>()
    };
    let before = kept();
    let key = "would replace the private key of this command";
    let log = "expected a place outside the log";
    let witness = ["witness", "b.note", "--state", "seen", "--log-key", "b.pub", "--key", "w.key", "--out"];
    let public = "would replace the public key of this command";
    let refused: [(&[&str], &str, &str); 25] = [
        (&["checkpoint", "--key", "b.key", "--out"], "b.key", key),
        (&["checkpoint", "--key", "b.key", "--out"], "./seen/../b.key", key),
        (&["checkpoint", "--key", "b.key", "--out"], "link", key),
        (&["checkpoint", "--key", "link", "--out"], "b.key", key),
        (&["checkpoint", "--key", "b.key", "--out"], &segment, log),
        (&["checkpoint", "--key", "b.key", "--out"], "nowhere", log),
        (&["submit", "one.jsonl", "--key", "b.key", "--checkpoint-out"], "b.key", key),
        (&["submit", "one.jsonl", "--key", "b.key", "--checkpoint-out"], "other/HEAD", log),
        (&["run", "plan.toml", "--run-id", "p", "--key", "b.key", "--checkpoint-out"], "b.key", key),
        (&witness, "w.key", key),
        (&witness, "hard", key),
        (&witness, "evlog/HEAD", log),
        (&["prove", "--seq", "0", "--out"], &segment, log),
        (&["evidence", "RUN_0001", "--out"], &segment, log),
        (&["evidence", "RUN_0001", "--out"], "evlog/checkpoints/page.html", log),
        (&["report", "--out"], "evlog/report.html", log),
        (&["report", "--out"], "evlog/report", log),
        (&["backup"], "evlog/segments/x", log),
        (&["backup"], "other/x", log),
        (&["checkpoint", "--key", "b.key", "--out"], "b.pub", public),
        (&["key", "new", "example.com/z", "--out"], "evlog/z.key", log),
        (&["run", "--init"], "evlog", log),
        (&["project", "--no-record", "--out"], "evlog", log),
        (&["project", "--out"], "other/x", log),
        (&["witness", "b.note", "--log-key", "b.pub", "--key", "w.key", "--state"], "evlog/checkpoints", log),
    ];
    fs::create_dir(room.path("seen")).unwrap();
    for (arguments, out, says) in refused {
        room.ends(2, &[arguments, &[out]].concat()).says(says).says("nothing was done");
        assert!(kept() == before, "{arguments:?} {out}");
    }
    assert!(!room.path("ran").exists() && fs::read_dir(room.path("seen")).unwrap().next().is_none());
    room.ends(0, &["prove", "--seq", "0", "--out", "evlog.proof"]);
    room.ends(0, &["checkpoint", "--key", "b.key", "--out", "-"]);
    room.ends(0, &["backup", "evlog-copy"]);
}

#[test]
fn two_options_that_name_one_file_are_refused_before_any_work() {
    let room = room();
    room.write("one.jsonl", "{\"contract\":\"status\",\"run\":\"N\",\"do\":\"create\"}\n");
    room.ends(0, &["run", "--init", "first"]);
    room.write("seen.txt", "");
    symlink("seen.txt", room.path("same.txt")).unwrap();
    let before = files_below(&room.path("")).len();
    let witness = ["witness", "b.note", "--state", "seen", "--log-key", "b.pub", "--key", "w.key"];
    let run = ["run", "first/plan.toml", "--run-id", "p", "--key", "b.key"];
    let commands: [Vec<&str>; 7] = [
        vec!["submit", "one.jsonl", "--key", "b.key", "--checkpoint-out", "x", "--metrics", "x"],
        [&run[..], &["--checkpoint-out", "x", "--metrics", "./x"]].concat(),
        [&run[..], &["--junit", "x", "--metrics", "first/../x"]].concat(),
        [&run[..], &["--junit", "x", "--checkpoint-out", "x"]].concat(),
        [&run[..], &["--junit", "seen.txt", "--metrics", "same.txt"]].concat(),
        vec!["tail", "-f", "--cursor", "x", "--metrics", "x"],
        [&witness[..], &["--out", "x", "--metrics", "x"]].concat(),
    ];
    for command in commands {
        let done = room.ends(2, &command);
        done.says("names the same file").says("nothing was done");
        assert_eq!(files_below(&room.path("")).len(), before, "{command:?}");
    }
    assert_eq!(fs::read_to_string(room.path("seen.txt")).unwrap(), "");
}

#[test]
fn a_dash_that_is_not_stdout_is_a_place_as_any_other_and_none_within_the_log() {
    let room = room();
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(room.path("evlog")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let commands: [&[&str]; 6] = [
        &["project", "--no-record", "--out", "-"],
        &["backup", "-"],
        &["key", "new", "example.com/z", "--out", "-"],
        &["run", "--init", "-"],
        &["submit", "--key", "../b.key", "--checkpoint-out", "-"],
        &["replay", "--trail", "-"],
    ];
    for command in commands {
        let done =
            room.command(&[]).args(["--log", "."]).args(command).current_dir(room.path("evlog")).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{command:?}: {done:?}");
        assert_eq!(names(), before, "{command:?}");
    }
}

/// A path may be that of a plan, of commands or of a key by mistake.
#[test]
fn an_output_replaces_nothing_but_an_earlier_output_of_its_kind() {
    let room = room();
    room.ends(0, &["run", "--init", "first"]);
    room.write("a.jsonl", "{\"contract\":\"status\",\"run\":\"N\",\"do\":\"create\"}\n");
    room.write("page.html", "<p>of somebody else</p>");
    room.ends(0, &["checkpoint", "--key", "b.key"]);
    let kept = || {
        let files = files_below(&room.path("")).into_iter();
        files.map(|path| (fs::read(&path).ok(), path)).collect::<Vec<_>>()
    };
    let before = kept();
    let witness = ["witness", "b.note", "--state", "seen", "--log-key", "b.pub", "--key", "w.key", "--out"];
    let refused: [(&[&str], &str); 9] = [
        (&["run", "first/plan.toml", "--run-id", "p", "--junit"], "first/plan.toml"),
        (&["run", "first/plan.toml", "--run-id", "p", "--junit"], "w.key"),
        (&["submit", "a.jsonl", "--key", "b.key", "--checkpoint-out"], "a.jsonl"),
        (&["checkpoint", "--key", "b.key", "--out"], "first/plan.toml"),
        (&["prove", "--seq", "0", "--out"], "b.key"),
        (&["evidence", "RUN_0001", "--out"], "link"),
        (&["report", "--out"], "page.html"),
        (&witness, "w.pub"),
        (&witness, "first/plan.toml"),
    ];
    for (arguments, out) in refused {
        let done = room.ends(2, &[arguments, &[out]].concat());
        done.says("would replace").says("nothing was done");
        assert!(kept() == before, "{arguments:?} {out}");
    }
    // What a command wrote, it replaces.
    for _ in 0..2 {
        room.ends(0, &["prove", "--seq", "0", "--out", "p.proof"]);
        room.ends(0, &["checkpoint", "--key", "b.key", "--out", "c.note"]);
        room.ends(0, &["report", "--out", "r.html"]);
        room.run(&["run", "first/plan.toml", "--junit", "j.xml"]).says("run ");
    }
}
