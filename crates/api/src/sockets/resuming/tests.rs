//! Clients that are cut at any point show what a client shows that never was, and that is what is stored.

mod cuts;
mod rig;
mod screen;
mod toasts;
mod windows;
