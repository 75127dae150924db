//! What is done to the module of a Worker after it was compiled.

pub mod likeness;
