//! Other things in the place of a run's directories: links, other directories, mounts.

use super::*;
use std::process::Command;

const STAGES_A_FILE: &str = "echo text > $EVLOG_STAGING_DIR/a";

/// A directory with files that no run may touch, with the layout of a bundle.
fn precious(room: &Room) -> PathBuf {
    let directory = room.path("precious");
    fs::create_dir_all(directory.join(".staging/one")).unwrap();
    fs::create_dir_all(directory.join("one")).unwrap();
    for path in [".staging/one/mine", "one/mine", "manifest.json"] {
        fs::write(directory.join(path), "mine").unwrap();
    }
    directory
}

fn check_untouched(directory: &Path) {
    let names = |path: &str| {
        let entries = fs::read_dir(directory.join(path)).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names(""), [".staging", "manifest.json", "one"]);
    for path in [".staging/one/mine", "one/mine", "manifest.json"] {
        assert_eq!(fs::read_to_string(directory.join(path)).unwrap(), "mine", "{path}");
    }
    assert_eq!((names(".staging"), names("one")), (vec!["one".to_owned()], vec!["mine".to_owned()]));
}

#[test]
fn g66_nothing_is_written_or_removed_through_a_link_in_the_place_of_the_bundle() {
    for place in ["$EVLOG_RUN_DIR", "$(dirname $EVLOG_RUN_DIR)"] {
        for end in ["", "; exit 3"] {
            let room = Room::new();
            let precious = precious(&room);
            let script = format!("D={place}; mv $D $D.x; ln -s $EVLOG_PLAN_DIR/precious $D{end}");
            let left = room.run(&plan(&[(&script, "")]));
            let error = left.result.unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
            assert!(error.to_string().contains("stays in progress in the log"), "{error}");
            check_untouched(&precious);
        }
    }
}

#[test]
fn g66_t09_a_run_whose_bundle_is_moved_away_goes_on_when_it_is_back() {
    let room = Room::new();
    // This happens once: the stage has no outcome, because its output could not be recorded, and begins again.
    let script = format!(
        "[ -e $EVLOG_PLAN_DIR/once ] || {{ : > $EVLOG_PLAN_DIR/once; mv $EVLOG_RUN_DIR $EVLOG_PLAN_DIR/again; }}; {STAGES_A_FILE}"
    );
    let left = room.run(&plan(&[(&script, "")]));
    let error = left.result.unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    assert!(!room.bundle("").exists(), "no other bundle is made in its place");
    fs::rename(room.path("again"), room.bundle("")).unwrap();
    let left = room.resume();
    assert!(left.result.is_ok(), "{:?}", left.result);
}

#[test]
fn t09_a_bundle_that_cannot_be_written_leaves_the_run_in_progress_and_is_no_verdict() {
    let room = Room::new();
    // What is in the way cannot be moved away either.
    let script =
        "rm $EVLOG_RUN_DIR/run.json; mkdir -p $EVLOG_RUN_DIR/run.json/in_the_way; touch $EVLOG_RUN_DIR/../.aside";
    let left = room.run(&plan(&[(script, "")]));
    let error = left.result.unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    assert!(error.to_string().contains("stays in progress in the log"), "{error}");
    fs::remove_file(room.path("out/runs/.aside")).unwrap();
    let left = room.resume();
    room.ended(&left, 0, &["one success fail_closed -"]);
}

/// A stage whose files need every kind of place.
const MAKES: &str = "cd $EVLOG_STAGING_DIR; echo a > a; mkdir made; echo b > made/b";

#[test]
fn g44_what_is_in_the_way_of_a_file_of_evlogs_own_is_set_aside_and_the_run_goes_on() {
    let files = |plants: &str| {
        let room = Room::new();
        let stages = plan(&[(&format!("cd $EVLOG_RUN_DIR; {plants}"), ""), (MAKES, "")]);
        let left = room.ends(&stages, 0, &["one success fail_closed -", "two success fail_closed -"]);
        let aside = fs::read_dir(room.path("out/runs/.aside")).map_or(0, Iterator::count);
        let said = left.reported.iter().filter(|line| line.contains(".aside")).count();
        assert_eq!(aside, said, "{plants}: {:#?}", left.reported);
        (room.files(), aside)
    };
    let (undisturbed, _) = files("true");
    for plants in [
        "mkfifo logs/two.log",
        "ln -s nowhere logs/two.log",
        "mkdir -p logs/two.log/x",
        "rm logs/one.log; mkdir -p logs/one.log/x",
        "rm run.json; mkdir -p run.json/x",
        "rm logs/health.json; mkdir -p logs/health.json/x",
        "mv logs ../logs; ln -s ../logs logs",
        "mv logs ../logs; mkfifo logs",
        "cd ../.locks; for note in *.plan; do rm $note; mkdir -p $note/x; done",
        "cd ../.locks; for note in *.stage; do rm $note; mkdir -p $note/x; done",
        "mkdir -p a/x",
        "mkfifo made",
        "ln -s nowhere made",
    ] {
        assert_eq!(files(plants), (undisturbed.clone(), 1), "{plants}");
    }
    // What can be replaced is replaced. So is what is in the place of a temporary file.
    for plants in
        ["rm run.json; mkfifo run.json", "ln -s nowhere a", "mkdir -p .run.json.tmp/x", "ln -s x .run.json.tmp"]
    {
        assert_eq!(files(plants), (undisturbed.clone(), 0), "{plants}");
    }
}

#[test]
fn g44_what_held_published_files_is_not_set_aside() {
    let room = Room::new();
    let moves = "cd $EVLOG_RUN_DIR; mv made ../moved; ln -s ../moved made";
    let makes = "mkdir $EVLOG_STAGING_DIR/made; echo c > $EVLOG_STAGING_DIR/made/c";
    let left = room.run(&plan(&[(MAKES, ""), (moves, ""), (makes, "")]));
    let report = left.result.unwrap();
    assert_eq!(spelled(&report.outcomes[2]), "three failed fail_closed storage_io_error", "{:#?}", left.reported);
    assert!(!room.path("out/runs/.aside").exists() && !room.path("out/runs/moved/c").exists());
}

#[test]
fn g24_nothing_is_published_or_removed_through_a_link_in_the_place_of_what_holds_the_staging_directory() {
    for end in ["", "; exit 3"] {
        let room = Room::new();
        let precious = precious(&room);
        let script = format!("S=$(dirname $EVLOG_STAGING_DIR); mv $S $S.x; ln -s $EVLOG_PLAN_DIR/precious $S{end}");
        room.ends(&plan(&[(&script, "")]), 20, &["one failed fail_closed storage_io_error"]);
        assert!(!room.bundle("mine").exists());
        check_untouched(&precious);
    }
}

/// Unmounts what a test has mounted, even if the test fails.
struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for point in points.filter(|point| Path::new(point).starts_with(&self.0)) {
            Command::new("umount").args(["-l", point]).status().unwrap();
        }
    }
}

/// Whether this process may mount. If it may not, no stage of its user may either.
fn may_mount(room: &Room) -> bool {
    let probe = room.path("probe");
    fs::create_dir(&probe).unwrap();
    let mounted = Command::new("mount").args(["--bind"]).arg(&probe).arg(&probe).output();
    let may = mounted.is_ok_and(|output| output.status.success());
    if may {
        Command::new("umount").arg(&probe).status().unwrap();
    }
    may
}

#[test]
fn g67_what_is_mounted_in_staging_is_neither_published_nor_removed() {
    let mounts = [
        "mkdir -p $EVLOG_STAGING_DIR/o/x; mount --bind $P $EVLOG_STAGING_DIR/o/x",
        "touch $EVLOG_STAGING_DIR/x; mount --bind $P/manifest.json $EVLOG_STAGING_DIR/x",
        "mount --bind $P $EVLOG_STAGING_DIR",
        "mount --bind $P $(dirname $EVLOG_STAGING_DIR)",
    ];
    for mount in mounts {
        for end in ["", "; exit 3"] {
            let room = Room::new();
            let _unmount = Unmount(room.path("").canonicalize().unwrap());
            if !may_mount(&room) {
                return;
            }
            let precious = precious(&room);
            let script = format!("P=$EVLOG_PLAN_DIR/precious; {mount}{end}");
            let left = room.run(&plan(&[(&script, "")]));
            let report = left.result.unwrap();
            assert_eq!(report.exit_code, 20, "{mount}");
            let published = ["mine", "x", "manifest.json/mine", "o/x/one/mine"];
            assert!(published.iter().all(|path| !room.bundle(path).exists()), "{mount}");
            assert!(left.reported.iter().any(|line| line.contains("mount")), "{mount}: {:#?}", left.reported);
            check_untouched(&precious);
        }
    }
}
