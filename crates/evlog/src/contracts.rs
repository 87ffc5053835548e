//! The contracts that come with evlog. No other module of this crate knows them, so any other [`Contract`](crate::Contract)
//! works as well.

pub use evlog_lifecycle::{custom, lifecycle, pipeline, status, story};

pub use custom::Custom;
pub use lifecycle::Lifecycle;
pub use pipeline::Pipeline;
pub use status::{RunStatus, Status};
pub use story::Story;

use evlog_projection::Contracts;

/// All contracts. A story with JSON Schemas is refused, because there is no validator here: see [`Story::with_schemas`].
pub fn built_in() -> Contracts {
    let (story, pipeline, lifecycle) = (Story::default(), Pipeline::default(), Lifecycle::default());
    Contracts::new().with(Status).with(story).with(pipeline).with(lifecycle).with(Custom)
}
