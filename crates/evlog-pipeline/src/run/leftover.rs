//! Messages about processes that a stage left. They state only what is known.

use crate::orphans::{Mark, Marked};
use crate::process::{End, Lost, LostGuard};

/// One message for each thing that a person should know.
pub(super) fn left_behind(end: &End) -> Vec<String> {
    let mut messages = Vec::new();
    if end.left > 0 {
        messages.push(format!("{} that had left the stage's process group ended with the stage", processes(end.left)));
    }
    if end.stubborn > 0 {
        messages.push(format!("{} of the stage could not be ended, and still run", processes(end.stubborn)));
    }
    if let Some(lost) = &end.guard_lost {
        messages.extend(of_lost(lost));
    }
    if end.is_held {
        // Only if every process of the stage was found and ended, the holder must be another process.
        let is_seen = end.guard_lost.is_none() && end.stubborn == 0;
        let whose = if is_seen { "a process that is not the stage's" } else { "some process" };
        messages.push(format!("{whose} holds its output; the rest of that is lost"));
    }
    messages
}

/// One message for each thing that a person should know about the stage that ran when a run was left: the stage had begun, and
/// its end was not recorded.
pub(super) fn left_by_another(stage: Option<&str>, mark: Option<&Mark>, ended: &Marked) -> Vec<String> {
    let mut messages = Vec::new();
    if ended.is_blind {
        messages.push("whether processes of the stage that was left still run could not be seen".to_owned());
    }
    if ended.left > 0 {
        let left = processes(ended.left);
        messages.push(format!("{left} of the stage that was left could not be ended, and may still run"));
    }
    match (stage, mark) {
        (Some(stage), Some(mark)) if mark.shows() && !mark.is_over() => messages.push(format!(
            "whether all processes of stage `{stage}` have ended is not known: if its guard was killed too, a process of \
             it that has cleared its environment may still run"
        )),
        (Some(stage), mark) if !mark.is_some_and(Mark::is_over) => messages.push(format!(
            "whether all processes of stage `{stage}` have ended is not known: nothing shows which processes are its, so \
             none was ended"
        )),
        _ => {}
    }
    messages
}

/// If the guard does not work, the processes of a stage are found as descendants of the guard, while it exists, and by
/// the mark in their environment.
fn of_lost(lost: &Lost) -> Vec<String> {
    let ended = processes(lost.below.found + lost.marked.found);
    let mut messages = vec![match lost.guard {
        LostGuard::Stopped => format!(
            "the process that guards the stage was stopped, or did not answer; it was killed, and {ended} of the stage with it"
        ),
        LostGuard::Blind => format!(
            "the process that guards the stage could not see what was left of it, for somebody left it no descriptors; it \
             was killed, and {ended} of the stage with it"
        ),
        LostGuard::Ended => format!(
            "the process that guards the stage was ended by somebody else, and {ended} of the stage after it, by its \
             mark; one that has cleared its environment may not be found so, and may still run"
        ),
    }];
    if lost.left() > 0 {
        messages.push(format!("{} of the stage could not be ended, and may still run", processes(lost.left())));
    } else if lost.is_blind() {
        messages.push("whether other processes of the stage still run is not known".to_owned());
    }
    messages
}

fn processes(count: usize) -> String {
    if count == 1 { "1 process".to_owned() } else { format!("{count} processes") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Ended;

    #[test]
    fn g27_notes_on_a_guard_that_failed_say_only_what_is_known() {
        let of = |guard, below: (usize, usize), marked: (usize, usize)| {
            let marked_by = |(found, left)| Marked { found, left, is_blind: false };
            let lost = Lost { guard, below: marked_by(below), marked: marked_by(marked) };
            let end = End { ended: Ended::Unguarded, is_held: true, left: 0, stubborn: 0, guard_lost: Some(lost) };
            left_behind(&end).join("\n")
        };
        let killed = of(LostGuard::Ended, (0, 0), (1, 0));
        assert!(killed.contains("1 process of the stage after it") && killed.contains("may still run"), "{killed}");
        let stopped = of(LostGuard::Stopped, (2, 0), (0, 0));
        assert!(stopped.contains("it was killed, and 2 processes of the stage with it"), "{stopped}");
        assert!(!stopped.contains("is not the stage's"), "{stopped}");
        let stubborn = of(LostGuard::Blind, (2, 1), (0, 0));
        assert!(stubborn.contains("1 process of the stage could not be ended, and may still run"), "{stubborn}");
    }

    #[test]
    fn g27_where_evlog_cannot_see_either_the_note_says_that_nothing_is_known() {
        let blind = |is_blind| Marked { is_blind, ..Marked::default() };
        for (guard, below, marked) in [
            (LostGuard::Blind, true, false),
            (LostGuard::Blind, false, true),
            (LostGuard::Stopped, true, true),
            (LostGuard::Ended, false, true),
        ] {
            let lost = Lost { guard, below: blind(below), marked: blind(marked) };
            let end = End { ended: Ended::Unguarded, is_held: false, left: 0, stubborn: 0, guard_lost: Some(lost) };
            let said = left_behind(&end).join("\n");
            assert!(said.contains("whether other processes of the stage still run is not known"), "{guard:?}: {said}");
        }
    }
}
