//! Publish and subscribe within one process.
//!
//! [`LocalPubSub`] is all that a gateway needs which has its database to itself. An adapter that reaches other processes
//! keeps one as well: what it hears from them it hands to [`LocalPubSub::deliver`], and what may have been lost on the way
//! it names with [`LocalPubSub::lost`], [`LocalPubSub::lost_all`] and [`LocalPubSub::reached`].

mod local;
mod queue;

pub use local::LocalPubSub;
