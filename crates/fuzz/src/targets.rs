//! What is fed.

mod config;
mod frames;
mod http;
mod text;

use clap::ValueEnum;

/// Something that takes input from strangers.
pub(crate) trait Target {
    /// Takes one input. Answers with the kind of the outcome, or with what is wrong with it.
    fn feed(&mut self, input: &[u8]) -> Result<String, String>;
}

/// The targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Request lines, headers, queries and bodies of every operation
    Http,
    /// Frames of clients and runners
    Frames,
    /// Ids, cursors, times and keys
    Text,
    /// The configuration file
    Config,
}

impl Name {
    /// Its name on the command line, and that of its corpus.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Frames => "frames",
            Self::Text => "text",
            Self::Config => "config",
        }
    }

    pub(crate) fn open(self) -> Result<Box<dyn Target>, Box<dyn std::error::Error>> {
        Ok(match self {
            Self::Http => Box::new(http::Http::open()?),
            Self::Frames => Box::new(frames::Frames),
            Self::Text => Box::new(text::Text),
            Self::Config => Box::new(config::ConfigFile::open()?),
        })
    }
}

/// The last words of a message, without what it repeats of the input: that stands in quotes, or comes first.
fn kind(message: &str) -> String {
    let line = message.lines().last().unwrap_or_default();
    let unquoted: String = line.split(['`', '\'', '"']).step_by(2).collect();
    let words: Vec<&str> =
        unquoted.split_whitespace().filter(|word| word.bytes().all(|b| b.is_ascii_lowercase())).collect();
    words[words.len().saturating_sub(4)..].join(" ")
}
