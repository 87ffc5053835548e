//! The contracts that a log knows, and the state of one run under the contract that it has.
//!
//! The contracts' own types are hidden here, so that the engine can hold contracts of different types.

use crate::bundle::{Bundle, File, Projection};
use crate::canonical::canonical;
use crate::contract::{Asked, Contract, ContractError, Decision, Fact, FoldError, Malformed, Outcome, RunHead};
use crate::request::Request;
use evlog_format::ids::{is_bundle_path, is_run_id};
use evlog_format::{Kind, PLAIN, Seq};
use serde_json::{Map, Value};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The projection that every contract shares.
pub(crate) const AUDIT_PROJECTION: Projection = Projection::new("audit_events", 1);
/// The path of its file, with a line for each event.
pub const AUDIT_PATH: &str = "audit_events.jsonl";

type State = Box<dyn Any + Send + Sync>;

/// A command whose type only its contract knows.
pub struct Command(Box<dyn Any + Send + Sync>);

/// The value as the contract's own type. The set hands a contract only values that the same contract made.
fn own<T: 'static>(value: Option<&T>) -> &T {
    value.unwrap_or_else(|| unreachable!("a contract is given its own states and commands"))
}

/// A contract with its types erased.
trait Erased: Send + Sync {
    fn name(&self) -> &'static str;
    fn alias(&self) -> Option<&'static str>;
    fn begins_with(&self, kind: Kind<'_>) -> bool;
    fn owns(&self, kind: Kind<'_>) -> bool;
    fn parse(&self, action: &str, members: Map<String, Value>) -> Result<Command, Malformed>;
    fn reads<'a>(&self, command: &'a Command) -> Option<&'a str>;
    fn decide(&self, asked: &Asked<'_, State>, command: &Command) -> Decision;
    fn start(&self, fact: &Fact<'_>) -> Result<State, FoldError>;
    fn evolve(&self, state: &mut State, fact: &Fact<'_>) -> Result<(), FoldError>;
    fn answer(&self, fact: &Fact<'_>) -> Option<(Outcome, ContractError)>;
    fn status<'a>(&self, state: &'a State) -> &'a str;
    fn definition<'a>(&self, state: &'a State) -> Option<&'a str>;
    fn is_terminal(&self, state: &State) -> bool;
    fn audit_line(&self, before: Option<&State>, fact: &Fact<'_>, after: &State) -> Result<Value, FoldError>;
    fn projections(&self) -> &'static [Projection];
    fn project(&self, state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError>;
    fn project_earlier(&self, state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError>;
    fn clone_state(&self, state: &State) -> State;
}

struct Typed<C>(C);

/// Checks that a payload is plain, because a contract cannot read any other payload.
fn is_plain(fact: &Fact<'_>) -> Result<(), FoldError> {
    match fact.event.protection {
        PLAIN => Ok(()),
        found => {
            let message =
                format!("expected a plain payload, found one that is protected in a way not known here ({found})");
            Err(FoldError::new(fact, message))
        }
    }
}

impl<C: Contract> Typed<C> {
    fn state(state: &State) -> &C::State {
        own(state.downcast_ref())
    }
}

impl<C: Contract> Erased for Typed<C> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn alias(&self) -> Option<&'static str> {
        self.0.alias()
    }

    fn begins_with(&self, kind: Kind<'_>) -> bool {
        self.0.begins_with(kind)
    }

    fn owns(&self, kind: Kind<'_>) -> bool {
        self.0.owns(kind)
    }

    fn parse(&self, action: &str, members: Map<String, Value>) -> Result<Command, Malformed> {
        Ok(Command(Box::new(self.0.parse(action, members)?)))
    }

    fn reads<'a>(&self, command: &'a Command) -> Option<&'a str> {
        self.0.reads(own(command.0.downcast_ref()))
    }

    fn decide(&self, asked: &Asked<'_, State>, command: &Command) -> Decision {
        let asked = Asked {
            run: asked.run,
            state: asked.state.map(Self::state),
            related: asked.related.map(Self::state),
            time_ns: asked.time_ns,
            actor: asked.actor,
            content: asked.content,
        };
        self.0.decide(&asked, own(command.0.downcast_ref()))
    }

    fn start(&self, fact: &Fact<'_>) -> Result<State, FoldError> {
        Ok(Box::new(self.0.start(fact)?))
    }

    fn evolve(&self, state: &mut State, fact: &Fact<'_>) -> Result<(), FoldError> {
        let Some(state) = state.downcast_mut() else {
            unreachable!("a contract is given its own states");
        };
        self.0.evolve(state, fact)
    }

    fn answer(&self, fact: &Fact<'_>) -> Option<(Outcome, ContractError)> {
        self.0.answer(fact)
    }

    fn status<'a>(&self, state: &'a State) -> &'a str {
        self.0.status(Self::state(state))
    }

    fn definition<'a>(&self, state: &'a State) -> Option<&'a str> {
        self.0.definition(Self::state(state))
    }

    fn is_terminal(&self, state: &State) -> bool {
        self.0.is_terminal(Self::state(state))
    }

    fn audit_line(&self, before: Option<&State>, fact: &Fact<'_>, after: &State) -> Result<Value, FoldError> {
        self.0.audit_line(before.map(Self::state), fact, Self::state(after))
    }

    fn projections(&self) -> &'static [Projection] {
        self.0.projections()
    }

    fn project(&self, state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        self.0.project(Self::state(state), head)
    }

    fn project_earlier(&self, state: &State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        self.0.project_earlier(Self::state(state), head)
    }

    fn clone_state(&self, state: &State) -> State {
        Box::new(Self::state(state).clone())
    }
}

/// The contracts that a log knows.
#[derive(Clone, Default)]
pub struct Contracts {
    known: Vec<Arc<dyn Erased>>,
}

impl Contracts {
    /// An empty set.
    pub fn new() -> Contracts {
        Contracts::default()
    }

    /// Adds a contract. If several begin a run with the same kind, the contract that was added first counts. So add your own
    /// before those of `evlog::contracts`, because `custom` begins with every kind of users.
    ///
    /// # Panics
    ///
    /// If there is a contract with its name or its alias already, which is a mistake of the program.
    #[must_use]
    pub fn with<C: Contract>(self, contract: C) -> Contracts {
        self.and(Contracts { known: vec![Arc::new(Typed(contract))] })
    }

    /// Adds all contracts of another set, after those that are there.
    ///
    /// # Panics
    ///
    /// If a name or an alias is there already, which is a mistake of the program.
    #[must_use]
    pub fn and(mut self, others: Contracts) -> Contracts {
        let names = |contract: &Arc<dyn Erased>| std::iter::once(contract.name()).chain(contract.alias());
        for name in others.known.iter().flat_map(names) {
            assert!(self.named(name).is_none(), "contract `{name}` is added twice");
        }
        self.known.extend(others.known);
        self
    }

    /// Their names, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.known.iter().map(|contract| contract.name())
    }

    /// Their projections, by name, with the versions that this program makes.
    pub fn projections(&self) -> BTreeMap<&'static str, u16> {
        let own = self.known.iter().flat_map(|contract| contract.projections());
        own.chain([&AUDIT_PROJECTION]).map(|projection| (projection.name, projection.version)).collect()
    }

    /// The contract of this name or alias.
    pub fn named(&self, name: &str) -> Option<ContractRef> {
        let is_named = |contract: &&Arc<dyn Erased>| contract.name() == name || contract.alias() == Some(name);
        self.known.iter().find(is_named).cloned().map(ContractRef)
    }

    /// The contract whose runs begin with an event of this kind.
    pub fn beginning_with(&self, kind: Kind<'_>) -> Option<ContractRef> {
        self.known.iter().find(|contract| contract.begins_with(kind)).cloned().map(ContractRef)
    }

    /// Starts to fold a run with its first event.
    pub fn start(&self, fact: &Fact<'_>) -> Result<RunFold, FoldError> {
        let Some(contract) = self.beginning_with(fact.event.kind) else {
            return Err(FoldError::new(fact, format!("no contract begins a run with `{}`", fact.event.kind)));
        };
        if !is_run_id(fact.event.stream) {
            let message = "expected a run id of letters, digits, `.`, `_` and `-` as name of the stream, found another";
            return Err(FoldError::new(fact, message));
        }
        if fact.event.number != 0 {
            let found = fact.event.number;
            return Err(FoldError::new(fact, format!("expected the run's event number 0, found {found}")));
        }
        is_plain(fact)?;
        let state = contract.0.start(fact)?;
        Ok(RunFold {
            contract,
            state,
            run: fact.event.stream.to_owned(),
            events: 1,
            first_seq: fact.seq,
            last_seq: fact.seq,
            last_time_ns: fact.head.time_ns(),
        })
    }
}

/// One contract of a set.
#[derive(Clone)]
pub struct ContractRef(Arc<dyn Erased>);

impl ContractRef {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Whether events of this kind belong to the contract, so that it may decide them.
    pub fn owns(&self, kind: Kind<'_>) -> bool {
        self.0.owns(kind)
    }

    /// Reads the command in a request to a run of this contract.
    pub fn read(&self, request: &Request) -> Result<Command, Malformed> {
        let (action, members) = request.asked();
        self.0.parse(action, members.clone())
    }

    /// Names another run whose state the decision needs.
    pub fn reads<'a>(&self, command: &'a Command) -> Option<&'a str> {
        self.0.reads(command)
    }

    /// Decides a command. `run` and `related` must be folds of this contract.
    pub fn decide(
        &self,
        asked: &Asked<'_, ()>,
        run: Option<&RunFold>,
        related: Option<&RunFold>,
        command: &Command,
    ) -> Decision {
        let asked = Asked {
            run: asked.run,
            state: run.map(|fold| &fold.state),
            related: related.map(|fold| &fold.state),
            time_ns: asked.time_ns,
            actor: asked.actor,
            content: asked.content,
        };
        self.0.decide(&asked, command)
    }

    /// The answer to the command whose commit this event belongs to; `None` if the command was accepted.
    pub fn answer(&self, fact: &Fact<'_>) -> Option<(Outcome, ContractError)> {
        self.0.answer(fact)
    }
}

/// A run, folded up to some event.
pub struct RunFold {
    contract: ContractRef,
    state: State,
    run: String,
    events: u64,
    first_seq: Seq,
    last_seq: Seq,
    last_time_ns: i128,
}

impl Clone for RunFold {
    fn clone(&self) -> RunFold {
        RunFold {
            contract: self.contract.clone(),
            state: self.contract.0.clone_state(&self.state),
            run: self.run.clone(),
            ..*self
        }
    }
}

impl RunFold {
    /// Folds one more event of the run.
    pub fn evolve(&mut self, fact: &Fact<'_>) -> Result<(), FoldError> {
        if fact.event.number != self.events {
            let found = fact.event.number;
            return Err(FoldError::new(
                fact,
                format!("expected the run's event number {}, found {found}", self.events),
            ));
        }
        is_plain(fact)?;
        self.contract.0.evolve(&mut self.state, fact)?;
        self.events += 1;
        self.last_seq = fact.seq;
        self.last_time_ns = fact.head.time_ns();
        Ok(())
    }

    /// The run's contract.
    pub fn contract(&self) -> &ContractRef {
        &self.contract
    }

    /// The run's state, if the run is of this contract.
    pub fn state<C: Contract>(&self) -> Option<&C::State> {
        self.state.downcast_ref()
    }

    /// The run's state in one word.
    pub fn status(&self) -> &str {
        self.contract.0.status(&self.state)
    }

    /// The name of the definition that the run was created with, if runs of its contract have one.
    pub fn definition(&self) -> Option<&str> {
        self.contract.0.definition(&self.state)
    }

    /// Whether the run has ended.
    pub fn is_terminal(&self) -> bool {
        self.contract.0.is_terminal(&self.state)
    }

    /// The facts about the run that the fold keeps.
    pub fn head(&self) -> RunHead<'_> {
        RunHead {
            run: &self.run,
            events: self.events,
            first_seq: self.first_seq,
            last_seq: self.last_seq,
            last_time_ns: self.last_time_ns,
        }
    }

    /// The bundle's files, except `audit_events.jsonl`.
    pub fn project(&self) -> Result<Vec<File>, FoldError> {
        let files = self.contract.0.project(&self.state, &self.head())?;
        match files_flaw(&files) {
            None => Ok(files),
            Some(message) => Err(FoldError::of_run(&self.head(), message)),
        }
    }

    /// The files that earlier versions of the contract's projections make.
    pub fn project_earlier(&self) -> Result<Vec<File>, FoldError> {
        self.contract.0.project_earlier(&self.state, &self.head())
    }
}

/// The longest path within a bundle, and the longest name in it, in bytes. File systems accept names of 255 bytes, and a file
/// is first written under a name that is a few bytes longer.
const PATH_LEN_MAX: usize = 1024;
const NAME_LEN_MAX: usize = 240;

/// Why these files and the audit cannot be in the same bundle.
fn files_flaw(files: &[File]) -> Option<String> {
    let mut paths = BTreeSet::from([AUDIT_PATH]);
    for path in files.iter().map(|file| file.path.as_str()) {
        if !is_bundle_path(path) {
            return Some(format!("expected files within the bundle, found `{path}`"));
        }
        if path.len() > PATH_LEN_MAX || path.split('/').any(|name| name.len() > NAME_LEN_MAX) {
            let len = path.len();
            return Some(format!(
                "expected a path of at most {PATH_LEN_MAX} bytes, of names of at most {NAME_LEN_MAX}, found one of {len} bytes"
            ));
        }
        if !paths.insert(path) {
            return Some(format!("expected each file of the bundle once, found `{path}` twice"));
        }
    }
    let above = |path: &&str| path.match_indices('/').any(|(at, _)| paths.contains(&path[..at]));
    let below = paths.iter().copied().find(above)?;
    Some(format!("expected files that can stand beside each other, found `{below}` below another file"))
}

/// Folds a run's events, in order, into its bundle.
pub struct BundleFold<'c> {
    contracts: &'c Contracts,
    fold: Option<RunFold>,
    audit: Vec<u8>,
}

impl<'c> BundleFold<'c> {
    /// A fold of no events yet.
    pub fn new(contracts: &'c Contracts) -> BundleFold<'c> {
        BundleFold { contracts, fold: None, audit: Vec::new() }
    }

    /// Folds the run's next event.
    pub fn push(&mut self, fact: &Fact<'_>) -> Result<(), FoldError> {
        self.audit.extend_from_slice(&fold_line(self.contracts, &mut self.fold, fact)?);
        Ok(())
    }

    /// How many bytes the audit file has so far.
    pub fn audit_len(&self) -> usize {
        self.audit.len()
    }

    /// The run as folded so far.
    pub fn run(&self) -> Option<&RunFold> {
        self.fold.as_ref()
    }

    /// The bundle as of the events pushed so far; `None` if there were none.
    pub fn bundle(&self) -> Result<Option<Bundle>, FoldError> {
        let Some(fold) = &self.fold else {
            return Ok(None);
        };
        let audit = AUDIT_PROJECTION.file(AUDIT_PATH, self.audit.clone());
        let files = fold.project()?.into_iter().chain([audit]).map(|file| (file.path.clone(), file)).collect();
        let events = fold.events;
        Ok(Some(Bundle {
            contract: fold.contract.name(),
            run: fold.run.clone(),
            last_seq: fold.last_seq,
            events,
            files,
        }))
    }
}

/// Folds a run's next event; returns its line of the audit file.
pub(crate) fn fold_line(
    contracts: &Contracts,
    run: &mut Option<RunFold>,
    fact: &Fact<'_>,
) -> Result<Vec<u8>, FoldError> {
    let line = match run {
        None => {
            let fold = contracts.start(fact)?;
            let line = fold.contract.0.audit_line(None, fact, &fold.state)?;
            *run = Some(fold);
            line
        }
        Some(fold) => {
            let before = fold.contract.0.clone_state(&fold.state);
            fold.evolve(fact)?;
            fold.contract.0.audit_line(Some(&before), fact, &fold.state)?
        }
    };
    let mut line = canonical(&line);
    line.push(b'\n');
    Ok(line)
}
