//! Messages about processes that a stage left. They state only what is known.

use crate::orphans::{Leftovers, Tag};
use crate::process::{End, Lost, LostSupervisor};

/// The messages about a stage that evlog ran to its end.
pub(super) fn left_behind(end: &End) -> Vec<String> {
    let mut messages = Vec::new();
    if end.left > 0 {
        messages.push(format!("{} that had left the stage's process group ended with the stage", processes(end.left)));
    }
    if end.stubborn > 0 {
        messages.push(format!("{} of the stage could not be ended, and still run", processes(end.stubborn)));
    }
    if let Some(lost) = &end.supervisor_lost {
        messages.extend(of_lost(lost));
    }
    if end.is_held {
        // If every process of the stage was found and ended, the holder must be another process. Otherwise that is not known.
        let is_seen = end.supervisor_lost.is_none() && end.stubborn == 0;
        let whose = if is_seen { "a process that is not the stage's" } else { "some process" };
        messages.push(format!("{whose} holds the stage's output; the rest of the output is lost"));
    }
    messages
}

/// The messages about the stage that ran when its run was interrupted: the stage had begun, and its end was not recorded.
pub(super) fn left_by_another(stage: Option<&str>, tag: Option<&Tag>, ended: &Leftovers) -> Vec<String> {
    let mut messages = Vec::new();
    if ended.is_blind {
        messages.push(
            "it is not known whether processes of the interrupted stage still run, because evlog could not list them"
                .to_owned(),
        );
    }
    if ended.left > 0 {
        let left = processes(ended.left);
        messages.push(format!("{left} of the interrupted stage could not be ended, and may still run"));
    }
    match (stage, tag) {
        (Some(stage), Some(tag)) if tag.shows() && !tag.is_over() => messages.push(format!(
            "it is not known whether all processes of stage `{stage}` have ended: if its supervisor was killed too, a process of \
             the stage that has cleared its environment may still run"
        )),
        (Some(stage), tag) if !tag.is_some_and(Tag::is_over) => messages.push(format!(
            "it is not known whether all processes of stage `{stage}` have ended: nothing shows which processes belong to it, \
             so none was ended"
        )),
        _ => {}
    }
    messages
}

/// Without a working supervisor, evlog finds the processes of a stage in two ways: as descendants of the supervisor while it
/// exists, and by the tag in their environment.
fn of_lost(lost: &Lost) -> Vec<String> {
    let ended = processes(lost.below.found + lost.tagged.found);
    let mut messages = vec![match lost.supervisor {
        LostSupervisor::Stopped => {
            format!("the stage's supervisor was stopped, or did not answer; evlog killed it, and {ended} of the stage")
        }
        LostSupervisor::Blind => format!(
            "the stage's supervisor could not list the stage's processes, because its descriptor limit had been lowered; evlog \
             killed it, and {ended} of the stage"
        ),
        LostSupervisor::Ended => format!(
            "the stage's supervisor was ended by somebody else; evlog then searched for the stage's processes by their tag, and \
             killed {ended}; a process that cleared its environment may have been missed, and may still run"
        ),
    }];
    if lost.left() > 0 {
        messages.push(format!("{} of the stage could not be ended, and may still run", processes(lost.left())));
    } else if lost.is_blind() {
        messages.push("it is not known whether other processes of the stage still run".to_owned());
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
    fn g27_notes_on_a_supervisor_that_failed_say_only_what_is_known() {
        let of = |supervisor, below: (usize, usize), tagged: (usize, usize)| {
            let leftovers = |(found, left)| Leftovers { found, left, is_blind: false };
            let lost = Lost { supervisor, below: leftovers(below), tagged: leftovers(tagged) };
            let end =
                End { ended: Ended::Unsupervised, is_held: true, left: 0, stubborn: 0, supervisor_lost: Some(lost) };
            left_behind(&end).join("\n")
        };
        let killed = of(LostSupervisor::Ended, (0, 0), (1, 0));
        assert!(killed.contains("by their tag, and killed 1 process;") && killed.contains("may still run"), "{killed}");
        let stopped = of(LostSupervisor::Stopped, (2, 0), (0, 0));
        assert!(stopped.contains("evlog killed it, and 2 processes of the stage"), "{stopped}");
        assert!(!stopped.contains("is not the stage's"), "{stopped}");
        let stubborn = of(LostSupervisor::Blind, (2, 1), (0, 0));
        assert!(stubborn.contains("1 process of the stage could not be ended, and may still run"), "{stubborn}");
    }

    #[test]
    fn g27_where_evlog_cannot_see_either_the_note_says_that_nothing_is_known() {
        let blind = |is_blind| Leftovers { is_blind, ..Leftovers::default() };
        for (supervisor, below, tagged) in [
            (LostSupervisor::Blind, true, false),
            (LostSupervisor::Blind, false, true),
            (LostSupervisor::Stopped, true, true),
            (LostSupervisor::Ended, false, true),
        ] {
            let lost = Lost { supervisor, below: blind(below), tagged: blind(tagged) };
            let end =
                End { ended: Ended::Unsupervised, is_held: false, left: 0, stubborn: 0, supervisor_lost: Some(lost) };
            let said = left_behind(&end).join("\n");
            assert!(
                said.contains("it is not known whether other processes of the stage still run"),
                "{supervisor:?}: {said}"
            );
        }
    }
}
