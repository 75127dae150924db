mod faults;
mod identity;
mod jobs;
mod prompts;
mod recovery;
mod sessions;
mod world;
