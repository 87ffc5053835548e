//! What stages and others cannot do without the publish gate noticing.

use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// Runs a plan, and does something each time that a step is about to be taken.
fn run_with(room: &Room, plan: &str, at: Step, harm: impl Fn(&Path) + Send + Sync + 'static) -> Left {
    fs::write(room.path("plan.toml"), plan).unwrap();
    let bundle = room.bundle("");
    let steps = Steps::observed_by(move |step| {
        if step == at {
            harm(&bundle);
        }
    });
    room.with(&|plan, session, claim, options, progress| {
        run(plan, session, claim, &Options { steps: steps.clone(), ..options.clone() }, progress)
    })
}

const A: &str = "[[stage.output]]\npath = \"a\"\n";

#[test]
fn g22_what_is_changed_in_staging_once_the_gate_has_passed_is_not_published() {
    let makes = "echo checked > $EVLOG_STAGING_DIR/a";
    for harm in ["written", "link"] {
        for at in [Step::CommitIntended, Step::Promote] {
            let room = Room::new();
            let left = run_with(&room, &plan(&[(makes, A)]), at, move |bundle| {
                let staged = bundle.join(".staging/one/a");
                if harm == "link" {
                    fs::remove_file(&staged).unwrap();
                    symlink("/etc/hostname", &staged).unwrap();
                } else {
                    fs::write(&staged, "never checked").unwrap();
                }
            });
            room.ended(&left, 0, &["one success fail_closed -"]);
            assert!(fs::symlink_metadata(room.bundle("a")).unwrap().is_file(), "{harm} at {at:?}");
            assert_eq!(room.text("a"), "checked\n", "{harm} at {at:?}");
        }
    }
}

#[test]
fn g24_a_link_in_the_place_of_the_staging_directory_is_refused_and_nothing_outside_moves() {
    let room = Room::new();
    fs::create_dir_all(room.path("elsewhere/below")).unwrap();
    for file in ["elsewhere/mine", "elsewhere/below/too"] {
        fs::write(room.path(file), "mine").unwrap();
    }
    let script = "rmdir $EVLOG_STAGING_DIR; ln -s $EVLOG_PLAN_DIR/elsewhere $EVLOG_STAGING_DIR";
    room.ends(&plan(&[(script, "")]), 20, &["one failed fail_closed storage_io_error"]);
    for file in ["elsewhere/mine", "elsewhere/below/too"] {
        assert_eq!(fs::read_to_string(room.path(file)).unwrap(), "mine");
    }
    assert!(!room.files().iter().any(|path| path.contains("mine") || path.contains("too")), "{:?}", room.files());
    let report = room.text("logs/contract_validation/one.json");
    assert!(report.contains("staging_replaced") && report.contains("found a symbolic link"), "{report}");
}

#[test]
fn g24_a_stage_may_create_its_staging_directory_again() {
    let room = Room::new();
    let script = "rm -rf $EVLOG_STAGING_DIR; mkdir $EVLOG_STAGING_DIR; echo text > $EVLOG_STAGING_DIR/a";
    room.ends(&plan(&[(script, A)]), 0, &["one success fail_closed -"]);
    assert_eq!(room.text("a"), "text\n");
}

#[test]
fn g23_what_is_published_has_no_set_id_bit_no_other_name_and_is_not_writable_by_others() {
    let room = Room::new();
    fs::write(room.path("another"), "text").unwrap();
    let script = "umask 000; cd $EVLOG_STAGING_DIR; mkdir d; ln $EVLOG_PLAN_DIR/another d/linked; \
                  echo text > d/open; echo text > d/program; chmod 6777 d/program; chmod 777 d";
    room.ends(&plan(&[(script, "")]), 0, &["one success fail_closed -"]);
    for (path, may_be_executed) in [("d/linked", false), ("d/open", false), ("d/program", true)] {
        let found = fs::metadata(room.bundle(path)).unwrap();
        let mode = found.permissions().mode();
        assert_eq!((mode & 0o7022, found.nlink()), (0, 1), "{path}: {mode:o}");
        assert_eq!(mode & 0o100 != 0, may_be_executed, "{path}: {mode:o}");
    }
    for path in ["", "d", "logs"] {
        let mode = fs::metadata(room.bundle(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7022, 0, "{path}: {mode:o}");
    }
    fs::write(room.bundle("d/linked"), "another text").unwrap();
    assert_eq!(fs::read_to_string(room.path("another")).unwrap(), "text");
}

#[test]
fn g25_what_a_stage_left_that_is_read_only_is_removed_and_its_own_outcome_stays() {
    let room = Room::new();
    let script = "mkdir -p $EVLOG_STAGING_DIR/mod/a; touch $EVLOG_STAGING_DIR/mod/a/f; chmod -R a-w $EVLOG_STAGING_DIR/mod; exit 3";
    room.ends(&plan(&[(script, "")]), 20, &["one failed fail_closed one_broken"]);
}

#[test]
fn g56_no_digest_of_a_run_depends_on_the_value_of_a_secret() {
    let with = |value: &str| {
        let room = Room::new();
        // The digest does not depend on a value in a schema either.
        fs::write(room.path("row.json"), format!("{{\"const\":\"{value}\"}}")).unwrap();
        let keys = format!("env = {{ PIN = \"{value}\", URL = \"https://user:{value}@host\" }}");
        let plan = plan(&[(&format!("test {value}"), &keys)])
            .replace("name = \"p\"", "name = \"p\"\nsecrets.optional = [\"PIN\"]");
        room.ends(&plan, 0, &["one success fail_closed -"]);
        (room.json("manifest.json")["extensions"]["orchestrator"]["plan"].clone(), room)
    };
    let ((one, _), (another, _), (longer, _)) = (with("7391"), with("7392"), with("a-longer-one"));
    assert!(one["blake3"].is_string() && one["stages"]["one"].is_string());
    assert_eq!((&one, &one), (&another, &longer));
}

#[test]
fn g56_other_changes_of_a_plan_with_secrets_are_still_noticed() {
    let room = Room::new();
    let text = |script: &str| {
        let keys = "env = { PIN = \"7391\" }";
        plan(&[("true", ""), (script, keys)]).replace("name = \"p\"", "name = \"p\"\nsecrets.optional = [\"PIN\"]")
    };
    room.1.raise();
    fs::write(room.path("plan.toml"), text("true")).unwrap();
    let left = room.with(&|plan, session, claim, options, progress| run(plan, session, claim, options, progress));
    assert!(matches!(left.result, Err(RunError::Interrupted { .. })));
    let room = undisturbed(room);
    fs::write(room.path("plan.toml"), text("false")).unwrap();
    assert!(matches!(room.resume().result, Err(RunError::OtherPlan { .. })));
    fs::write(room.path("plan.toml"), text("true")).unwrap();
    assert!(room.resume().result.is_ok());
}
