//! A stage that stops evlog as a debugger does. The system lets only the superuser's stages do that.

use crate::support::Room;

/// Traces every thread of evlog, the parent of the guard, and keeps it stopped. Ends with 3 where the system refuses that.
const TRACE: &str = r#"
import ctypes, os, sys, time
ATTACH, SEIZE, INTERRUPT = 16, 0x4206, 0x4207
libc = ctypes.CDLL(None, use_errno=True)
ask = lambda request, thread: libc.ptrace(ctypes.c_long(request), ctypes.c_long(thread), None, None)
evlog = int(open(f"/proc/{os.getppid()}/stat").read().rsplit(")", 1)[1].split()[1])
if sys.argv[2] == "behind" and os.fork() > 0:
    time.sleep(1)
    os._exit(0)
if sys.argv[2] == "behind":
    os.setsid()
for thread in map(int, os.listdir(f"/proc/{evlog}/task")):
    if sys.argv[1] == "attach":
        refused = ask(ATTACH, thread)
    else:
        refused = ask(SEIZE, thread) or ask(INTERRUPT, thread)
    if refused:
        sys.exit(3)
time.sleep(40)
"#;

#[test]
#[cfg(target_os = "linux")]
fn g27_a_stage_that_traces_evlog_is_ended_by_its_guard_and_evlog_goes_on() {
    for way in ["attach", "seize"] {
        for place in ["here", "behind"] {
            let room = Room::new();
            room.write("trace.py", TRACE);
            let stage = format!("command = [\"python3\", \"trace.py\", \"{way}\", \"{place}\"]");
            let plan = format!("name = \"p\"\n[[stage]]\nid = \"one\"\nreason_code = \"input_missing\"\n{stage}\n");
            room.write("plan.toml", &plan);
            let done = room.run(&["run", "plan.toml", "--run-id", "r"]);
            room.ends(0, &["verify"]);
            if done.err.contains("traced evlog") {
                assert_eq!(done.code, 20, "{way} {place}: {done:?}");
            } else {
                // The stage was refused to trace evlog, and went on.
                assert_eq!(done.code, if place == "here" { 20 } else { 0 }, "{way} {place}: {done:?}");
                let id = room.command_of("id", &["-u"]).output().unwrap().stdout;
                assert_ne!(id, b"0\n", "{way} {place}: not noticed: {done:?}");
            }
        }
    }
}
