//! Logs on standard error. `PORTWAY_LOG` sets the level: `error`, `warn`, `info` (the default), `debug` or `trace`.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people, in colour.
    Colour,
    /// For people, without colour.
    Plain,
    /// One JSON object a line.
    Json,
}

impl Form {
    /// For people when standard error is a terminal, JSON otherwise.
    #[must_use]
    pub fn for_terminal() -> Self {
        match (std::io::stderr().is_terminal(), std::env::var_os("NO_COLOR")) {
            (true, None) => Self::Colour,
            (true, Some(_)) => Self::Plain,
            (false, _) => Self::Json,
        }
    }
}

/// Starts logging, once per process; later calls do nothing. Panics are logged like everything else.
pub fn start(form: Form) {
    let level = std::env::var("PORTWAY_LOG").ok().and_then(|text| text.parse().ok()).unwrap_or(LevelFilter::INFO);
    let targets = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("portway", level);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match form {
        Form::Colour => layer.with_target(false).boxed(),
        Form::Plain => layer.with_target(false).with_ansi(false).boxed(),
        Form::Json => layer.json().with_ansi(false).boxed(),
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or_default();
        let location = panic.location().map(ToString::to_string);
        let text = panic.payload_as_str().unwrap_or_default();
        tracing::error!(target: "portway::panic", text, location, thread, "a panic");
    }));
}
