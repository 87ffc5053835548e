//! A command with its type erased: for requests that carry one, and for the registry that hands it to its contract.

use std::any::Any;
use std::sync::Arc;

/// A command whose type only its contract knows.
#[derive(Clone)]
pub struct Command(Arc<dyn Any + Send + Sync>);

impl Command {
    pub(crate) fn new<C: Send + Sync + 'static>(command: C) -> Command {
        Command(Arc::new(command))
    }

    pub(crate) fn downcast<C: 'static>(&self) -> Option<&C> {
        self.0.downcast_ref()
    }
}

/// The registry hands a contract only values that the same contract made.
pub(crate) fn own<T: 'static>(value: Option<&T>) -> &T {
    value.unwrap_or_else(|| unreachable!("a contract is given its own states and commands"))
}
