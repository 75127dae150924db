mod faults;
mod identity;
mod jobs;
mod metrics;
mod prompts;
mod recovery;
mod sessions;
mod world;
