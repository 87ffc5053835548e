//! The state of each run while the events of a log are read in order, from the first one.
//!
//! Invariant: the memory holds the runs that have not ended or that the caller still needs, and a fixed number of other runs.
//! A run that ended longer ago is forgotten, and is folded again if another event of it is read.

use evlog_format::Seq;
use evlog_projection::{Contracts, Fact, FoldError, RunFold};
use std::collections::VecDeque;

/// How many runs that have ended are remembered.
const ENDED_MAX: usize = 4096;

/// The state of a run after an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct After<'s> {
    /// The run's contract; `None` if no contract begins a run with its first event.
    pub contract: Option<&'static str>,
    /// The name of the definition that the run was created with.
    pub definition: Option<&'s str>,
    /// Its status in one word; `None` if the run could not be folded.
    pub status: Option<&'s str>,
    /// Whether it has ended.
    pub has_ended: bool,
}

impl After<'_> {
    /// Whether the run is of this contract, or of the definition of this name.
    pub fn is_of(&self, name: &str) -> bool {
        self.contract == Some(name) || self.definition == Some(name)
    }
}

/// A run that an event names, in its state before that event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Related {
    /// It has no event there.
    Absent,
    /// It exists, and could not be folded.
    Broken,
    /// It has not ended.
    Open,
    /// It has ended, with this status.
    Ended(String),
}

impl Related {
    fn of(fold: Option<&Result<RunFold, FoldError>>) -> Related {
        match fold {
            None => Related::Absent,
            Some(Err(_)) => Related::Broken,
            Some(Ok(run)) if run.is_terminal() => Related::Ended(run.status().to_owned()),
            Some(Ok(_)) => Related::Open,
        }
    }
}

/// Reads a run's events from the first one on, in order, until the visitor returns false. The error is the reader's.
pub type Earlier<'e, E> = dyn FnMut(&str, &mut dyn FnMut(&Fact<'_>) -> bool) -> Result<(), E> + 'e;

/// A run, and what a caller keeps for it.
pub struct Run<T> {
    /// The run's state. `Err` once it could not be folded; its later events change nothing.
    pub fold: Result<RunFold, FoldError>,
    /// What the caller keeps.
    pub kept: T,
    /// The run's contract, which its first event decides.
    contract: Option<&'static str>,
    /// Whether it is in the list of ended runs.
    is_listed: bool,
}

/// The state of a run of this contract. If the run could not be folded, nothing else is known about it.
pub(crate) fn after<'s>(contract: Option<&'static str>, fold: &'s Result<RunFold, FoldError>) -> After<'s> {
    let Ok(fold) = fold else { return After { contract, ..After::default() } };
    After { contract, definition: fold.definition(), status: Some(fold.status()), has_ended: fold.is_terminal() }
}

impl<T> Run<T> {
    /// The run's contract, if it is known.
    pub(crate) fn contract(&self) -> Option<&'static str> {
        self.contract
    }

    /// The state of the run now.
    pub fn after(&self) -> After<'_> {
        after(self.contract, &self.fold)
    }

    fn take(&mut self, fact: &Fact<'_>) {
        if let Ok(fold) = &mut self.fold
            && let Err(error) = fold.evolve(fact)
        {
            self.fold = Err(error);
        }
    }
}

/// What a caller keeps for each run.
pub trait Kept: Default {
    /// Whether the state has something that later events cannot restore.
    fn is_needed(&self) -> bool;
}

impl Kept for () {
    fn is_needed(&self) -> bool {
        false
    }
}

impl<T: Kept> Run<T> {
    fn can_be_forgotten(&self) -> bool {
        self.fold.as_ref().is_ok_and(RunFold::is_terminal) && !self.kept.is_needed()
    }

    /// Whether it can be forgotten from now on, and must be listed.
    fn is_to_be_listed(&mut self) -> bool {
        self.can_be_forgotten() && !std::mem::replace(&mut self.is_listed, true)
    }
}

/// Called after each event of a run, with the run in its state then. If the run had been forgotten, its earlier events are
/// passed first. Their seq is less than the seq of the event that is taken.
pub type Keep<'k, T> = dyn FnMut(&mut Run<T>, &Fact<'_>) + 'k;

#[expect(clippy::disallowed_types, reason = "only asked for names; at the end it is sorted")]
type Runs<T> = std::collections::HashMap<Box<str>, Run<T>>;

/// The runs so far.
pub struct States<T> {
    contracts: Contracts,
    runs: Runs<T>,
    /// The ended runs. The run that ended first is at the front.
    ended: VecDeque<Box<str>>,
}

impl<T: Kept> States<T> {
    /// A state with no runs yet.
    pub fn new(contracts: &Contracts) -> States<T> {
        States { contracts: contracts.clone(), runs: Runs::default(), ended: VecDeque::new() }
    }

    /// Takes the next event of a run, and returns the run in its state then.
    pub fn take<E>(
        &mut self,
        fact: &Fact<'_>,
        earlier: &mut Earlier<'_, E>,
        keep: &mut Keep<'_, T>,
    ) -> Result<&Run<T>, E> {
        let name = fact.event.stream;
        let is_to_be_listed = if let Some(run) = self.runs.get_mut(name) {
            run.take(fact);
            keep(run, fact);
            run.is_to_be_listed()
        } else {
            let run = self.begun(fact, earlier, keep)?;
            self.runs.entry(name.into()).insert_entry(run).get_mut().is_to_be_listed()
        };
        if is_to_be_listed {
            self.ended.push_back(name.into());
        }
        self.forget(name);
        let Some(run) = self.runs.get(name) else { unreachable!("the run of the event is not forgotten") };
        Ok(run)
    }

    /// The state of a run after its events before a seq.
    pub fn look<E>(&self, name: &str, before: Seq, earlier: &mut Earlier<'_, E>) -> Result<Related, E> {
        if let Some(run) = self.runs.get(name) {
            return Ok(Related::of(Some(&run.fold)));
        }
        let mut fold: Option<Result<RunFold, FoldError>> = None;
        earlier(name, &mut |fact| {
            if fact.seq >= before {
                return false;
            }
            match &mut fold {
                None => fold = Some(self.contracts.start(fact)),
                Some(Ok(run)) => {
                    if let Err(error) = run.evolve(fact) {
                        fold = Some(Err(error));
                    }
                }
                Some(Err(_)) => {}
            }
            true
        })?;
        Ok(Related::of(fold.as_ref()))
    }

    /// A run that is not remembered: this is its first event, or the run was forgotten.
    fn begun<E>(&self, fact: &Fact<'_>, earlier: &mut Earlier<'_, E>, keep: &mut Keep<'_, T>) -> Result<Run<T>, E> {
        let mut begun: Option<Run<T>> = None;
        let mut take = |fact: &Fact<'_>| {
            let run = match &mut begun {
                Some(run) => {
                    run.take(fact);
                    run
                }
                none => {
                    let contract = self.contracts.beginning_with(fact.event.kind).map(|contract| contract.name());
                    let (fold, kept) = (self.contracts.start(fact), T::default());
                    none.insert(Run { fold, kept, contract, is_listed: false })
                }
            };
            keep(run, fact);
        };
        if fact.event.number > 0 {
            earlier(fact.event.stream, &mut |before| {
                let is_before = before.seq < fact.seq;
                if is_before {
                    take(before);
                }
                is_before
            })?;
        }
        take(fact);
        let Some(run) = begun else { unreachable!("an event was taken") };
        Ok(run)
    }

    /// Forgets the run that ended first, if there are too many, but never the one of this name.
    fn forget(&mut self, name: &str) {
        if self.ended.len() <= ENDED_MAX || self.ended.front().is_none_or(|first| first.as_ref() == name) {
            return;
        }
        let Some(first) = self.ended.pop_front() else { return };
        match self.runs.get_mut(&first) {
            Some(run) if !run.can_be_forgotten() => run.is_listed = false,
            _ => {
                self.runs.remove(&first);
            }
        }
    }

    /// All runs that are remembered, by name: those that have not ended are among them.
    pub fn into_runs(self) -> Vec<(Box<str>, Run<T>)> {
        let mut runs: Vec<(Box<str>, Run<T>)> = self.runs.into_iter().collect();
        runs.sort_by(|(left, _), (right, _)| left.cmp(right));
        runs
    }
}
