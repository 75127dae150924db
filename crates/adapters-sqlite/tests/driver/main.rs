//! The driver as repositories see it, on a file and in memory.
#![cfg(test)]

mod fixture;
mod lifecycle;
mod log;
mod looking;
mod migrations;
mod reads;
mod snapshots;
mod values;
mod writes;
