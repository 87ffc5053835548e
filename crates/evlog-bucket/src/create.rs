//! Creates an object and finds out who created it.

use crate::group::{Group, OBJECT_LEN_MAX};
use crate::store::{Fault, Store};
use std::time::{Duration, Instant};

/// How a bucket is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a create is tried again while its outcome is unknown.
    pub deadline: Duration,
    /// The first pause between two attempts. Each pause is up to twice as long as the one before.
    pub pause: Duration,
    /// How often a follower asks for the next group.
    pub poll: Duration,
    /// How many bytes of groups are kept in memory.
    pub cache: u64,
    /// A fault of the protocol, which tests must find.
    #[cfg(test)]
    pub broken: Option<Broken>,
}

/// A protocol that is wrong on purpose.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// An object that exists counts as our own.
    ExistsIsMine,
    /// An object that exists counts as another writer's.
    ExistsIsOthers,
    /// After a timeout, the bytes are offered under another try id.
    OtherBytes,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            deadline: Duration::from_mins(1),
            pause: Duration::from_millis(50),
            poll: Duration::from_secs(1),
            cache: 256 * 1024 * 1024,
            #[cfg(test)]
            broken: None,
        }
    }
}

impl Options {
    #[cfg(test)]
    fn is(&self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }
}

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What became of a create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The object is there, and it is ours.
    Mine,
    /// Another writer's object has the name. Ours is not there, and will not be.
    Others,
    /// Nothing was created, and nothing will be. Says why.
    Refused(String),
    /// Our object may be there, or may come. Says why this is not known.
    Unknown(String),
}

/// Creates a group under its name. Offers the same bytes again until somebody's object has the name, or the deadline has passed.
pub(crate) fn create(store: &dyn Store, options: &Options, name: &str, group: &Group) -> Outcome {
    #[cfg_attr(not(test), expect(unused_mut, reason = "only a broken protocol changes it"))]
    let mut object = group.encode();
    let (begun, mut pause, mut why) = (Instant::now(), options.pause, None::<String>);
    loop {
        let answer = store.create(name, &object);
        let fault = match answer {
            Ok(()) => return Outcome::Mine,
            #[cfg(test)]
            Err(Fault::Condition) if options.is(Broken::ExistsIsMine) => return Outcome::Mine,
            #[cfg(test)]
            Err(Fault::Condition) if options.is(Broken::ExistsIsOthers) => return Outcome::Others,
            Err(Fault::Condition) => match owner(store, name, group) {
                Ok(Some(outcome)) => return outcome,
                Ok(None) => "the store says that the object exists, and does not have it".to_string(),
                Err(fault) => fault.to_string(),
            },
            Err(fault @ (Fault::Refused(_) | Fault::Unsupported(_) | Fault::Absent)) => match why {
                None => return Outcome::Refused(fault.to_string()),
                // An earlier attempt may still succeed.
                Some(earlier) => return Outcome::Unknown(format!("{earlier}; then: {fault}")),
            },
            Err(Fault::Unclear(why)) => why,
        };
        #[cfg(test)]
        if options.is(Broken::OtherBytes) {
            let mut try_id = group.try_id;
            try_id[15] = try_id[15].wrapping_add(1);
            object = Group { try_id, ..group.clone() }.encode();
        }
        if begun.elapsed() >= options.deadline {
            let deadline = options.deadline.as_secs();
            return Outcome::Unknown(format!("no answer within {deadline} s that decides it; last: {fault}"));
        }
        why = Some(fault);
        store.pause(jittered(pause));
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Who owns the object that has the name; `None` if there is none.
fn owner(store: &dyn Store, name: &str, group: &Group) -> Result<Option<Outcome>, Fault> {
    match store.get(name, OBJECT_LEN_MAX) {
        Ok(found) => {
            // An object that is no group is not ours. Reading it reports what is wrong with it.
            let is_mine = Group::try_id_of(&found).is_ok_and(|found| found == group.try_id);
            Ok(Some(if is_mine { Outcome::Mine } else { Outcome::Others }))
        }
        Err(Fault::Absent) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Between half of a pause and all of it, so that writers that failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0; 1];
    getrandom::fill(&mut byte).ok();
    pause / 2 + pause / 512 * u32::from(byte[0])
}
