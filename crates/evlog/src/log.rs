//! A writer session: takes commands and makes commits.
//!
//! The steps of [`Log::offer`]:
//! 1. read the command;
//! 2. load the run;
//! 3. recognize a second delivery;
//! 4. judge the command by the policy;
//! 5. ask the contract;
//! 6. fold what it decided, and judge its events by the policy's rules on order;
//! 7. give the commit to the store.
//!
//! Only then does the run in memory get its new state.

mod decided;
mod forestall;
mod in_force;
mod opening;
mod own_events;
mod renewing;

use crate::answer::Answer;
use crate::clock::Reading;
use crate::error::LogError;
use crate::history::{LOG_STREAM, LossAccepted};
use crate::options::{Options, ReadOptions};
use crate::policy::{Breach, InForce, Orders};
use crate::runs::{Answered, Cache, Known, Loader, Logged};
use crate::view::View;
use crate::{net, own_notes, random};
use evlog_format::{
    CommitHead, Durability, Encoded, Event, Idempotency, Kind, LogId, PLAIN, Position, Root, Seq, kind, payload,
};
use evlog_projection::contract::{Cause, Target};
use evlog_projection::contracts::{Command, ContractRef};
use evlog_projection::{Asked, Content, Contracts, Decision, Fact, FoldError, Malformed, NewEvent, Request, RunFold};
use evlog_store::fs::Fs;
use evlog_store::{Checkpoints, CreateOptions, OpenError, Owner, Recovery, Settled, Writer};
use forestall::conflict;
use in_force::Judging;
use opening::{created, last_recorded_ns, reopened};
pub(crate) use own_events::Noted;
use renewing::{Given, Writers, observed};
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A command that is decided and written, but not acknowledged yet.
#[derive(Debug)]
#[must_use = "an offered commit may still be lost until it is waited for"]
pub struct Offered {
    answer: Answer,
    /// Its commit. If it records nothing, on a shared log the end of the log that the answer depends on.
    given: Option<Given>,
    /// What to decide again if another writer commits first; only on a shared log.
    again: Option<Box<Request>>,
    /// The session that wrote it. Only this session can wait for it.
    session: Arc<()>,
}

impl Offered {
    /// The answer that [`Log::wait`] gives once the command is committed. Its seqs are fixed. Until then the command may still
    /// be lost. On a log that other writers share, another writer may commit first. Then the command is decided again, and
    /// `wait` gives that answer, with other seqs or another outcome.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }
}

/// A writer session on a log.
pub struct Log {
    dir: PathBuf,
    writers: Writers,
    contracts: Contracts,
    options: Options,
    state: Mutex<Session>,
    /// Identifies the session.
    session: Arc<()>,
}

/// An event of `$log`.
pub(crate) type HistoryEvent = (Kind<'static>, Vec<u8>);

/// Events of `$log` that are not appended yet.
pub(crate) type Pending = Vec<HistoryEvent>;

pub(crate) struct Session {
    cache: Cache,
    /// The policy in force; `None` until it is needed.
    judging: Option<Judging>,
    /// The keys of the log's own stream; `None` until they are needed.
    logged: Option<Logged>,
    /// Events of `$log` that wait for the session's first commit, so that a session that appends nothing leaves no trace.
    pending: Pending,
    /// Where the commit with `log.opened` ends, once it is written. It is written only together with another event. `log.closed`
    /// is written only after `log.opened`.
    opened: Option<Position>,
    /// The reading of the clock at the last commit, of this session or of the one before it.
    last: Option<Reading>,
}

impl Session {
    /// Takes an event of `$log` into account that changes how commands are judged.
    fn note(&mut self, kind: Kind<'_>, reading: &Reading) {
        if kind == kind::LOG_POLICY_SET {
            // The runs in memory were loaded under the previous policy.
            (self.judging, self.cache) = (None, Cache::default());
        } else if let (kind::LOG_CHECKPOINT_SIGNED, Some(judging)) = (kind, &mut self.judging) {
            judging.signed_ns = Some(reading.wall_ns);
        }
    }
}

impl Options {
    /// Opens the log in `dir` for writing.
    pub fn open(self, dir: impl AsRef<Path>, contracts: Contracts) -> Result<Log, LogError> {
        Log::open_with(dir.as_ref(), contracts, self)
    }
}

impl Log {
    /// Opens the log in `dir` for writing, and makes it if there is none. Use [`Options`] to open it in other ways.
    pub fn open(dir: impl AsRef<Path>, contracts: Contracts) -> Result<Log, LogError> {
        Options::default().open(dir, contracts)
    }

    /// If the last session did not end cleanly, recovers the log first.
    pub(crate) fn open_with(dir: &Path, contracts: Contracts, mut options: Options) -> Result<Log, LogError> {
        options.check()?;
        if options.fs.is_shared() {
            // Only a sync decides who was first.
            options.class = Durability::Sync;
        }
        let owner = Owner { program: options.program.clone() };
        own_notes::hold(&options.fs, dir)?;
        let reopen = || -> Result<_, LogError> {
            let (writer, recovery) = Writer::open(options.fs.clone(), dir, &owner)?;
            let pending = reopened(&options, &writer, &recovery)?;
            Ok((writer, pending))
        };
        let (writer, pending) = match reopen() {
            Err(LogError::Open(OpenError::NoLog { .. })) if options.create => {
                let log_id = options.log_id.unwrap_or_else(|| LogId(random::id()));
                let create = CreateOptions { log_id, segment_limit: options.segment_limit };
                match Writer::create(options.fs.clone(), dir, create, &owner) {
                    Ok(writer) => (writer, created(&options, options.segment_limit)?),
                    // Another machine was quicker.
                    Err(OpenError::Exists { .. }) if options.fs.is_shared() => reopen()?,
                    Err(OpenError::Io(failure)) if failure.is_overtaken() => reopen()?,
                    Err(error) => return Err(error.into()),
                }
            }
            opened => opened?,
        };
        Log::start(dir.to_path_buf(), writer, contracts, options, pending)
    }

    /// A session whose first commit begins with these events of `$log`.
    fn start(
        dir: PathBuf,
        writer: Writer,
        contracts: Contracts,
        options: Options,
        pending: Pending,
    ) -> Result<Log, LogError> {
        let last = last_recorded_ns(&writer, &dir)?.map(Reading::of_another_session);
        let writers = Writers::new(observed(writer, &options));
        let (cache, judging, logged, opened) = (Cache::default(), None, None, None);
        let state = Mutex::new(Session { cache, judging, logged, pending, opened, last });
        Ok(Log { dir, writers, contracts, options, state, session: Arc::new(()) })
    }

    /// Continues with the writer of a repair. The session's first commit records what was done.
    pub(crate) fn repaired(
        dir: &Path,
        writer: Writer,
        contracts: Contracts,
        options: Options,
        recovery: &Recovery,
        loss: Option<&LossAccepted>,
    ) -> Result<Log, LogError> {
        let mut pending = Pending::new();
        if let Some(loss) = loss {
            pending.push((kind::LOG_LOSS_ACCEPTED, payload_of(loss)?));
        }
        pending.extend(reopened(&options, &writer, recovery)?);
        Log::start(dir.to_path_buf(), writer, contracts, options, pending)
    }

    /// The log's identity.
    pub fn log_id(&self) -> LogId {
        self.writer().log_id()
    }

    /// Seq of the next event.
    pub fn next_seq(&self) -> Seq {
        self.writer().next_seq()
    }

    /// Position and root of the durable end.
    pub fn root(&self) -> (Position, Root) {
        self.writer().root()
    }

    /// The contracts of the session.
    pub fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// Decides a command and waits until it is committed.
    pub fn submit(&self, request: &Request) -> Result<Answer, LogError> {
        self.wait(self.offer(request)?)
    }

    /// Waits until a command that was offered to this session is committed, and gives its answer.
    pub fn wait(&self, offered: Offered) -> Result<Answer, LogError> {
        if !Arc::ptr_eq(&self.session, &offered.session) {
            return Err(LogError::OfAnotherSession);
        }
        let mut offered = offered;
        loop {
            let Some(given) = &offered.given else {
                // An answer from memory is given only while the log is still at its path.
                self.writer().check_place().map_err(OpenError::Io)?;
                return Ok(offered.answer);
            };
            offered = match offered.again {
                _ if self.is_kept(given)? => return Ok(offered.answer),
                Some(request) => self.offer(&request)?,
                None => unreachable!("only on a shared log another writer is first"),
            };
        }
    }

    /// Decides a command and gives its events to the store. The answer is valid after [`wait`](Log::wait). Commands are
    /// ordered by their calls.
    pub fn offer(&self, request: &Request) -> Result<Offered, LogError> {
        let (contract, command) = self.read(request)?;
        let mut session = self.session();
        self.at_head(&mut session, &mut |session| self.decide(session, request, &contract, &command))
    }

    fn decide(
        &self,
        session: &mut Session,
        request: &Request,
        contract: &ContractRef,
        command: &Command,
    ) -> Result<Offered, LogError> {
        let mut known = self.load(session, request.run())?;
        let mut offered = self.judge(session, request, contract, command, &mut known)?;
        if let Some(known) = known {
            session.cache.put(request.run(), known);
        }
        offered.again = self.is_shared().then(|| Box::new(request.clone()));
        Ok(offered)
    }

    fn read(&self, request: &Request) -> Result<(ContractRef, Command), LogError> {
        let Some(contract) = self.contracts.named(request.contract()) else {
            let names: Vec<&str> = self.contracts.names().collect();
            let message = format!("expected one of {}, found {:?}", names.join(", "), request.contract());
            return Err(LogError::Malformed(Malformed { pointer: "/contract".to_owned(), message }));
        };
        let command = contract.read(request)?;
        Ok((contract, command))
    }

    pub(crate) fn session(&self) -> MutexGuard<'_, Session> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The policy that the session's commands are judged by, loaded when it is first needed.
    pub(crate) fn judging<'s>(&self, session: &'s mut Session) -> Result<&'s Judging, LogError> {
        if session.judging.is_none() {
            session.judging = Some(self.find_judging()?);
        }
        Ok(session.judging.get_or_insert_default())
    }

    fn load(&self, session: &mut Session, run: &str) -> Result<Option<Known>, LogError> {
        if let Some(known) = session.cache.take(run) {
            return Ok(Some(known));
        }
        if self.writer().stream_len(run)? == 0 {
            return Ok(None);
        }
        let mut loader = Loader::new(&self.contracts, &self.judging(session)?.in_force, run);
        self.writer().read_stream::<LogError>(run, 0, &mut |head, seq, event| {
            loader.push(head, seq, event)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(loader.finish())
    }

    fn judge(
        &self,
        session: &mut Session,
        request: &Request,
        contract: &ContractRef,
        command: &Command,
        known: &mut Option<Known>,
    ) -> Result<Offered, LogError> {
        if let Some(answer) = self.answered_without_run(session, request, known.as_ref())? {
            return Ok(self.unrecorded(answer));
        }
        if let Some(answer) = self.forestall(request, contract, known.as_ref()) {
            return Ok(self.unrecorded(answer));
        }
        let fold = known.as_ref().map(|known| &known.fold);
        let related = match contract.reads(command) {
            Some(run) if run == request.run() => fold.cloned(),
            Some(run) => self.related(session, run, contract)?,
            None => None,
        };
        let reading = self.options.clock.read();
        let head = self.head(request, reading.wall_ns);
        let at = request.at().map(|at| at.text.as_str());
        if let Some(breach) = self.judging(session)?.breach(&head, at, fold.is_none()) {
            let answer = Answer::refused(request.run(), fold, breach.code, breach.message);
            return Ok(self.unrecorded(answer));
        }
        let content = Content(&|| request.content());
        let (time_ns, actor) = (head.time_ns(), head.actor);
        let asked = Asked { run: request.run(), state: None, related: None, time_ns, actor, content };
        let decision = contract.decide(&asked, fold, related.as_ref(), command);
        decided::check(request.run(), contract, &self.contracts, fold.is_none(), &decision)?;
        self.carry_out(session, request, (reading, head), &decision, known)
    }

    /// The answer to a command that records nothing.
    fn unrecorded(&self, answer: Answer) -> Offered {
        Offered { answer, given: self.basis(), again: None, session: Arc::clone(&self.session) }
    }

    fn related(&self, session: &mut Session, run: &str, contract: &ContractRef) -> Result<Option<RunFold>, LogError> {
        if run == LOG_STREAM {
            return Ok(None);
        }
        let Some(known) = self.load(session, run)? else {
            return Ok(None);
        };
        let fold = known.fold.clone();
        session.cache.put(run, known);
        Ok(Some(fold).filter(|fold| fold.contract().name() == contract.name()))
    }

    /// Folds what was decided, gives it to the store, and then replaces the run in memory.
    fn carry_out(
        &self,
        session: &mut Session,
        request: &Request,
        at: (Reading, CommitHead<'_>),
        decision: &Decision,
        known: &mut Option<Known>,
    ) -> Result<Offered, LogError> {
        let status = known.as_ref().map(|known| known.fold.status().to_owned());
        let mut answer = Answer {
            outcome: decision.outcome.into(),
            error: decision.error.clone(),
            status,
            ..Answer::empty(request.run())
        };
        if decision.events.is_empty() {
            return Ok(self.unrecorded(answer));
        }
        // The log's own events come first, in a separate commit.
        let (reading, mut head) = at;
        let history = self.history(session, &reading)?;
        head.first_seq = Seq(self.writer().next_seq().0 + history.len() as u64);
        let is_logged = decision.events.first().is_some_and(|first| first.target != Target::Run);
        let logged_as = match head.idempotency.filter(|_| is_logged) {
            Some(given) => match self.logged(session)?.free_key(request.run(), given.key) {
                Some(key) => Some(key),
                None => return Ok(self.unrecorded(conflict(request, known.as_ref()))),
            },
            None => None,
        };
        if is_logged {
            let given = head.idempotency.zip(logged_as.as_deref());
            head.idempotency = given.map(|(given, key)| Idempotency { key, ..given });
        }
        let events = self.placed(request, head.first_seq.0, decision, known.as_ref(), history.len())?;
        let commit = net::encoded(head, &events)?;
        let in_force = &self.judging(session)?.in_force;
        let moved = match self.fold_decided(request, (&commit, in_force), decision, known.as_ref())? {
            Ok(moved) => moved,
            Err(Breach { code, message }) => {
                let fold = known.as_ref().map(|known| &known.fold);
                let answer = Answer::refused(request.run(), fold, code, message);
                return Ok(self.unrecorded(answer));
            }
        };
        self.append_history(session, &reading, &history)?;
        let given = Some(self.given(self.writer().append_encoded(&commit)?));
        session.last = Some(reading);
        answer.events = decided_events(decision, head.first_seq.0);
        if let (Some(given), Some(logged), true) = (head.idempotency, &mut session.logged, is_logged) {
            logged.note(given.key, given.content, answer.clone());
        }
        if let Some((fold, orders)) = moved {
            answer.status = Some(fold.status().to_owned());
            let mut answers = known.take().map(|known| known.answers).unwrap_or_default();
            if let Some(Idempotency { key, content }) = head.idempotency {
                answers.insert(key.to_owned(), Answered { content, answer: answer.clone() });
            }
            *known = Some(Known { fold, answers, orders });
        }
        Ok(Offered { answer, given, again: None, session: Arc::clone(&self.session) })
    }

    /// The run after the decision, folded from the commit as it is read back; `None` if the decision does not touch the run.
    /// If the decision breaks a rule on order, of the policy or of the run's own definition, returns that rule. Nothing is
    /// changed yet.
    fn fold_decided(
        &self,
        request: &Request,
        (commit, in_force): (&Encoded<'_>, &InForce),
        decision: &Decision,
        known: Option<&Known>,
    ) -> Result<Result<Option<(RunFold, Orders)>, Breach>, LogError> {
        let head = *commit.head();
        net::check_reads_back(request.run(), commit.body(), &head, commit.events())?;
        net::check_audited(request.run(), &head, commit.events())?;
        let seqs = head.first_seq.0..;
        let facts = seqs.zip(commit.events()).map(|(seq, event)| Fact { seq: Seq(seq), head, event: *event });
        decided::check_answer(request, &self.contracts, decision, &facts.collect::<Vec<_>>())?;
        let mut orders = known.map(|known| known.orders.clone()).unwrap_or_default();
        let mut fold: Option<RunFold> = None;
        for ((seq, new), event) in (head.first_seq.0..).zip(&decision.events).zip(commit.events()) {
            if new.target != Target::Run {
                continue;
            }
            let before = fold.take().or_else(|| known.map(|known| known.fold.clone()));
            let fact = Fact { seq: Seq(seq), head, event: *event };
            if let Some(message) = in_force.next(&mut orders, &fact) {
                return Ok(Err(Breach { code: "POLICY_ORDER", message }));
            }
            let after = match before {
                None => self.contracts.start(&fact),
                Some(mut fold) => fold.evolve(&fact).map(|()| fold),
            };
            match after {
                Ok(after) => fold = Some(after),
                Err(FoldError { is_of_rule: true, message, .. }) => {
                    return Ok(Err(Breach { code: "RULE_BROKEN", message }));
                }
                Err(FoldError { message, .. }) => {
                    return Err(LogError::Undecidable { run: request.run().to_owned(), message });
                }
            }
        }
        Ok(Ok(fold.map(|fold| (fold, orders))))
    }

    /// The decided events with their seqs and numbers. `history` events of the log's own come before them.
    fn placed<'a>(
        &self,
        request: &'a Request,
        first: u64,
        decision: &'a Decision,
        known: Option<&Known>,
        history: usize,
    ) -> Result<Vec<Event<'a>>, LogError> {
        let mut of_run = known.map_or(0, |known| known.fold.head().events);
        let is_of_run = |new: &NewEvent| new.target == Target::Run;
        let is_run_only = decision.events.iter().all(is_of_run);
        let mut of_log = if is_run_only { 0 } else { self.writer().stream_len(LOG_STREAM)? + history as u64 };
        let place = |new: &'a NewEvent| {
            let (stream, next) = match new.target {
                Target::Run => (request.run(), &mut of_run),
                Target::Log => (LOG_STREAM, &mut of_log),
            };
            let number = *next;
            *next += 1;
            let (kind, kind_version) = (new.kind.as_kind(), new.kind_version);
            let causation = cause_of(request, new, first);
            Event { stream, number, kind, kind_version, causation, protection: PLAIN, payload: &new.payload }
        };
        Ok(decision.events.iter().map(place).collect())
    }

    /// The head of a command's commit, without the commit's place.
    fn head<'r>(&'r self, request: &'r Request, recorded_ns: i64) -> CommitHead<'r> {
        let Options { class, actor, principal, correlation, .. } = &self.options;
        CommitHead {
            first_seq: Seq(0),
            recorded_ns,
            occurred_ns: request.at().map(|at| at.time_ns),
            class: *class,
            actor: request.actor().unwrap_or(actor),
            principal: principal.as_deref(),
            correlation: request.correlation().or(correlation.as_deref()),
            idempotency: request.id().map(|key| Idempotency { key, content: request.content() }),
        }
    }

    /// Waits until everything that was offered is synced, and returns where the log ends. Meanwhile, no command can be
    /// offered.
    pub(crate) fn settle(&self) -> Result<Settled, LogError> {
        let mut session = self.session();
        match self.at_head(&mut session, &mut |_| Ok(self.writer().settled()?))? {
            Some(settled) => Ok(settled),
            None => unreachable!("every append goes through the session, which is held here"),
        }
    }

    /// The clock's time now, Unix nanoseconds.
    pub fn now_ns(&self) -> i64 {
        self.options.clock.now_ns()
    }

    /// A reader's view of this log, through the writer's handles. Even if another log is now at the directory's name, the view
    /// reads the log that this session writes.
    pub fn view(&self) -> Result<View, LogError> {
        ReadOptions { fs: self.fs(), ..ReadOptions::new() }.open(&self.dir, self.contracts.clone())
    }

    /// The log's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The checkpoints that the log keeps.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.fs(), &self.dir)
    }

    pub(crate) fn fs(&self) -> Arc<dyn Fs> {
        self.writer().fs()
    }

    /// The writer at the head of the log, as far as the session knows it.
    pub(crate) fn writer(&self) -> Arc<Writer> {
        self.writers.current()
    }
}

pub(crate) fn payload_of<T: Serialize>(value: &T) -> Result<Vec<u8>, LogError> {
    payload::encode(value).map_err(|error| LogError::Payload { seq: None, message: error.to_string() })
}

fn cause_of(request: &Request, new: &NewEvent, first: u64) -> Option<Seq> {
    match new.cause {
        Cause::Decided(earlier) => Some(Seq(first + earlier as u64)),
        Cause::Command => request.causation(),
    }
}

fn decided_events(decision: &Decision, first: u64) -> Vec<(Seq, String)> {
    (first..).zip(&decision.events).map(|(seq, new)| (Seq(seq), new.kind.as_kind().to_string())).collect()
}
