//! How much an operation costs, in words.

pub use portway_domain::rates::RateClass;
