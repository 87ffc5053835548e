//! The contracts that come with evlog. Nothing else in this crate knows them, so any other
//! [`Contract`](crate::Contract) works as well.

pub use evlog_lifecycle::{custom, machine, pipeline, status, story};

pub use custom::Custom;
pub use machine::Machine;
pub use pipeline::Pipeline;
pub use status::{RunStatus, Status};
pub use story::Story;

use evlog_projection::Contracts;

/// All contracts. A story with JSON Schemas is refused, because there is no validator here: see
/// [`Story::with_schemas`].
pub fn built_in() -> Contracts {
    let (story, pipeline, machine) = (Story::default(), Pipeline::default(), Machine::default());
    Contracts::new().with(Status).with(story).with(pipeline).with(machine).with(Custom)
}
