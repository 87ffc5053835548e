//! The protocol by which writers append to a bucket, as a small model in which a checker tries every order of steps. The
//! checker also finds the known bugs again: each rule of the protocol is left out once, and then an acknowledged group is lost
//! or a command is recorded twice.
//!
//! What the model leaves out: bytes, sizes, more than two writers, compaction by several machines, and stores whose reads are
//! stale.

use stateright::{Checker, HasDiscoveries, Model, Property};
use std::collections::BTreeMap;

/// A state that some order of steps must reach, so that the other properties say something.
const REACHED: &str = "every command is acknowledged";

/// A writer that has decided again so often is not followed further.
const ATTEMPTS_MAX: u8 = 5;

/// The number of a group, from 1.
type Number = usize;

/// The rules of the protocol. All are true in evlog.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each rule is left out by itself")]
struct Rules {
    /// After a timeout, the same bytes are sent again under the same name.
    same_bytes: bool,
    /// A group is "mine" if it has my try id. Otherwise: if it has my bytes.
    try_id: bool,
    /// A writer reads the boundary after its create, and before it acknowledges.
    winner_reads_boundary: bool,
    /// It also reads the boundary if it finds another's group, and before it decides again.
    loser_reads_boundary: bool,
    /// Nothing is deleted before the boundary covers it.
    boundary_first: bool,
    /// A segment keeps the try ids of its groups.
    tries_kept: bool,
}

const ALL: Rules = Rules {
    same_bytes: true,
    try_id: true,
    winner_reads_boundary: true,
    loser_reads_boundary: true,
    boundary_first: true,
    tries_kept: true,
};

/// A group as it is stored. All commands have the same bytes, so bytes do not tell writers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Group {
    writer: usize,
    /// Which of the writer's commands it holds.
    command: u8,
    /// With the writer: the try id.
    attempt: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    /// A create was sent, and no answer has come.
    Sent(Number, Group),
    /// The object is known to exist.
    Found {
        number: Number,
        group: Group,
        is_mine: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Writer {
    /// The last group that it has folded.
    head: Number,
    phase: Phase,
    /// The command that it works on.
    command: u8,
    attempt: u8,
    timeouts: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// The objects of groups that exist.
    objects: BTreeMap<Number, Group>,
    /// The groups that were copied to segments, from number 1.
    segments: Vec<Group>,
    boundary: Number,
    /// Creates that the store may still carry out, and how many of each.
    in_flight: BTreeMap<(Number, Group), u8>,
    writers: Vec<Writer>,
    acknowledged: Vec<(Number, Group)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Send(usize),
    /// The store carries out a create. The answer arrives, or is lost.
    Land {
        number: Number,
        group: Group,
        answered: bool,
    },
    TimeOut(usize),
    Conclude(usize),
    Copy,
    Advance,
    Delete(Number),
}

struct Protocol {
    rules: Rules,
    /// How many each writer has.
    commands: [u8; 2],
    timeouts: u8,
}

impl State {
    /// The group that a reader finds under a number.
    fn read(&self, number: Number) -> Option<Group> {
        if number <= self.boundary { Some(self.segments[number - 1]) } else { self.objects.get(&number).copied() }
    }

    fn log(&self) -> Vec<Group> {
        (1..).map_while(|number| self.read(number)).collect()
    }

    fn send(&mut self, writer: usize, number: Number) {
        let Writer { command, attempt, .. } = self.writers[writer];
        let group = Group { writer, command, attempt };
        *self.in_flight.entry((number, group)).or_default() += 1;
        self.writers[writer].phase = Phase::Sent(number, group);
    }

    /// The writer goes on behind this group: it has learned that its own is not in the log.
    fn decide_again(&mut self, writer: usize, head: Number) {
        let writer = &mut self.writers[writer];
        *writer = Writer { head, phase: Phase::Idle, attempt: writer.attempt + 1, ..writer.clone() };
    }

    fn acknowledge(&mut self, writer: usize, number: Number, group: Group) {
        self.acknowledged.push((number, group));
        self.acknowledged.sort_unstable();
        let writer = &mut self.writers[writer];
        let (command, attempt) = (writer.command + 1, writer.attempt + 1);
        *writer = Writer { head: number, phase: Phase::Idle, command, attempt, timeouts: writer.timeouts };
    }
}

impl Protocol {
    fn is_mine(&self, found: Group, mine: Group) -> bool {
        if self.rules.try_id { found == mine } else { true }
    }

    fn land(&self, state: &mut State, (number, group): (Number, Group), answered: bool) {
        let count = state.in_flight.entry((number, group)).or_default();
        *count -= 1;
        if *count == 0 {
            state.in_flight.remove(&(number, group));
        }
        let before = state.objects.get(&number).copied();
        state.objects.entry(number).or_insert(group);
        if !answered || state.writers[group.writer].phase != Phase::Sent(number, group) {
            return;
        }
        // If the object existed, the store said only that. So the writer gets the object, and compares.
        let is_mine = before.is_none_or(|found| self.is_mine(found, group));
        state.writers[group.writer].phase = Phase::Found { number, group, is_mine };
    }

    fn conclude(&self, state: &mut State, writer: usize, (number, group): (Number, Group), is_mine: bool) {
        let reads = if is_mine { self.rules.winner_reads_boundary } else { self.rules.loser_reads_boundary };
        let is_covered = reads && number <= state.boundary;
        // The name may have been free only because the group was copied and deleted. Then the segment decides.
        let is_mine =
            if is_covered { self.rules.tries_kept && self.is_mine(state.segments[number - 1], group) } else { is_mine };
        if is_mine {
            state.acknowledge(writer, number, group);
        } else {
            state.decide_again(writer, if is_covered { state.boundary } else { number });
        }
    }

    fn steps_of_writer(&self, state: &State, index: usize, actions: &mut Vec<Action>) {
        let writer = &state.writers[index];
        match writer.phase {
            Phase::Idle if writer.command < self.commands[index] => actions.push(Action::Send(index)),
            Phase::Sent(..) if writer.timeouts < self.timeouts => actions.push(Action::TimeOut(index)),
            Phase::Found { .. } => actions.push(Action::Conclude(index)),
            Phase::Idle | Phase::Sent(..) => {}
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let writer = Writer { head: 0, phase: Phase::Idle, command: 0, attempt: 0, timeouts: 0 };
        vec![State {
            objects: BTreeMap::new(),
            segments: Vec::new(),
            boundary: 0,
            in_flight: BTreeMap::new(),
            writers: vec![writer; 2],
            acknowledged: Vec::new(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for writer in 0..state.writers.len() {
            self.steps_of_writer(state, writer, actions);
        }
        for &(number, group) in state.in_flight.keys() {
            actions.extend([true, false].map(|answered| Action::Land { number, group, answered }));
        }
        let copied = state.segments.len();
        if state.objects.contains_key(&(copied + 1)) {
            actions.push(Action::Copy);
        }
        if state.boundary < copied {
            actions.push(Action::Advance);
        }
        let deletable = if self.rules.boundary_first { state.boundary } else { copied };
        actions.extend(state.objects.range(..=deletable).map(|(number, _)| Action::Delete(*number)));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Send(writer) => state.send(writer, last.writers[writer].head + 1),
            Action::Land { number, group, answered } => self.land(&mut state, (number, group), answered),
            Action::TimeOut(index) => {
                let Phase::Sent(number, _) = last.writers[index].phase else { return None };
                state.writers[index].timeouts += 1;
                if !self.rules.same_bytes {
                    state.writers[index].attempt += 1;
                }
                state.send(index, number);
            }
            Action::Conclude(index) => {
                let Phase::Found { number, group, is_mine } = last.writers[index].phase else { return None };
                self.conclude(&mut state, index, (number, group), is_mine);
            }
            Action::Copy => state.segments.push(last.objects[&(last.segments.len() + 1)]),
            Action::Advance => state.boundary = last.segments.len(),
            Action::Delete(number) => drop(state.objects.remove(&number)),
        }
        Some(state)
    }

    /// With a rule left out, a writer can decide the same command again without end.
    fn within_boundary(&self, state: &State) -> bool {
        state.writers.iter().all(|writer| writer.attempt <= ATTEMPTS_MAX)
    }

    fn properties(&self) -> Vec<Property<Protocol>> {
        vec![
            Property::always("an acknowledged group stays where it was acknowledged", |_, state: &State| {
                state.acknowledged.iter().all(|(number, group)| state.read(*number) == Some(*group))
            }),
            Property::always("no command is recorded twice", |_, state: &State| {
                let mut commands: Vec<_> = state.log().iter().map(|group| (group.writer, group.command)).collect();
                let all = commands.len();
                commands.sort_unstable();
                commands.dedup();
                commands.len() == all
            }),
            Property::always("no group stands behind a gap", |_, state: &State| {
                let last = state.objects.keys().max().copied().unwrap_or(0);
                last <= state.boundary.max(state.log().len())
            }),
            Property::sometimes(REACHED, |model: &Protocol, state: &State| {
                state.acknowledged.len() == usize::from(model.commands.iter().sum::<u8>())
            }),
        ]
    }
}

/// The first property that some order of steps breaks, with these rules.
fn broken(rules: Rules) -> Option<&'static str> {
    // One thread, so that the same property is found each time.
    let checker = Protocol { rules, commands: [2, 1], timeouts: 1 }
        .checker()
        .threads(1)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let discoveries = checker.discoveries();
    let broken = discoveries.keys().copied().filter(|name| *name != REACHED).min();
    assert!(broken.is_some() || discoveries.contains_key(REACHED), "no order of steps reaches the end");
    broken
}

#[test]
fn no_order_of_steps_loses_doubles_or_moves_a_group_of_two_writers_with_timeouts_and_deletion() {
    assert_eq!(broken(ALL), None);
}

#[test]
fn without_any_one_rule_of_the_protocol_the_checker_finds_the_bug_that_it_prevents() {
    let lost = Some("an acknowledged group stays where it was acknowledged");
    let twice = Some("no command is recorded twice");
    assert_eq!(broken(Rules { same_bytes: false, ..ALL }), twice);
    assert_eq!(broken(Rules { try_id: false, ..ALL }), lost);
    assert_eq!(broken(Rules { winner_reads_boundary: false, ..ALL }), lost);
    assert_eq!(broken(Rules { loser_reads_boundary: false, ..ALL }), twice);
    assert_eq!(broken(Rules { boundary_first: false, ..ALL }), lost);
    assert_eq!(broken(Rules { tries_kept: false, ..ALL }), twice);
}
