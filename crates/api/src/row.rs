//! What the rows of both tables have in common, and what may not be wrong with a table.

use std::collections::HashMap;

use http::Method;
use portway_domain::access::{Permission, SessionRole};
use serde_json::{Map, Value};

use crate::path::Template;
use crate::rate::RateClass;

/// The part of a row that operations and endpoints share.
#[derive(Debug, Clone)]
pub struct Row {
    /// The name: words of lower-case letters with dots between them, such as `sessions.create`.
    pub name: &'static str,
    /// The method.
    pub method: Method,
    /// The path: literal segments and `{name}`, with `{*name}` at the end for the rest of the path.
    pub path: &'static str,
    /// What is demanded of the caller.
    pub permission: Permission,
    /// The class whose limit it counts against.
    pub rate: RateClass,
    /// One line.
    pub summary: &'static str,
    /// More than one line, in Markdown; empty when the line says it all.
    pub description: &'static str,
    /// The group in the published description.
    pub tag: &'static str,
    /// Whether it answers under any host name, as probes need that come by address.
    pub any_host: bool,
    /// Whether its requests are too many and too much alike for an ordinary log, as those of probes are.
    pub quiet: bool,
}

impl Row {
    pub(crate) fn new(name: &'static str, method: Method, path: &'static str, permission: Permission) -> Self {
        Self {
            name,
            method,
            path,
            permission,
            rate: RateClass::default(),
            summary: "",
            description: "",
            tag: name.split_once('.').map_or(name, |(tag, _)| tag),
            any_host: false,
            quiet: false,
        }
    }

    /// The path of a request with that input, as far as it can be told: none if a name of the template has no text in it, or
    /// one that is no segment.
    pub(crate) fn path_of(&self, input: &Map<String, Value>) -> Option<String> {
        let mut path = String::with_capacity(self.path.len() + 32);
        for segment in self.path.split('/').skip(1) {
            let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
            path.push('/');
            path.push_str(match name {
                Some(name) => input.get(name)?.as_str().filter(|text| !text.is_empty() && !text.contains('/'))?,
                None => segment,
            });
        }
        Some(path)
    }

    /// Whether requests of this row have no body.
    pub(crate) fn is_bodyless(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

/// What can be said of a row whatever it is: the setters that both builders share.
macro_rules! row_setters {
    ($builder:ident) => {
        impl<S: Send + Sync + 'static> $builder<S> {
            /// One line about it.
            pub fn summary(mut self, text: &'static str) -> Self {
                self.row.summary = text;
                self
            }

            /// More about it, in Markdown.
            pub fn describe(mut self, text: &'static str) -> Self {
                self.row.description = text;
                self
            }

            /// The group in the published description.
            pub fn tag(mut self, tag: &'static str) -> Self {
                self.row.tag = tag;
                self
            }

            /// The status of success.
            pub fn status(mut self, status: StatusCode) -> Self {
                self.status = status;
                self
            }

            /// The class whose limit it counts against.
            pub fn rate(mut self, class: RateClass) -> Self {
                self.row.rate = class;
                self
            }

            /// Answers under any host name.
            pub fn any_host(mut self) -> Self {
                self.row.any_host = true;
                self
            }

            /// Is logged only where everything is: at level DEBUG.
            pub fn quiet(mut self) -> Self {
                self.row.quiet = true;
                self
            }
        }
    };
}

pub(crate) use row_setters;

/// The name of a permission in the published description.
pub(crate) fn permission_name(permission: Permission) -> &'static str {
    match permission {
        Permission::Public => "public",
        Permission::SignedIn => "signed-in",
        Permission::Admin => "admin",
        Permission::Session(SessionRole::Viewer) => "session:viewer",
        Permission::Session(SessionRole::Collaborator) => "session:collaborator",
        Permission::Session(SessionRole::Owner) => "session:owner",
    }
}

/// Why a table, or two tables together, cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Two rows have one name.
    #[error("two rows are named {0}")]
    DuplicateName(&'static str),
    /// Two rows answer the same method and path.
    #[error("{first} and {second} both answer {method} {path}")]
    DuplicateRoute {
        /// The row that came first.
        first: &'static str,
        /// The row that came second.
        second: &'static str,
        /// The method of both.
        method: Method,
        /// The path of the second.
        path: &'static str,
    },
    /// Two rows compete for the same paths: parameter names differ, or one takes the rest of the path where the other
    /// takes one segment.
    #[error("{first} and {second} compete for the same paths")]
    Ambiguous {
        /// The path of the row that came first.
        first: &'static str,
        /// The path of the row that came second.
        second: &'static str,
    },
    /// A name is not of the form that [`Row::name`] asks for.
    #[error("{0:?} is no name of a row: use words of lower-case letters with dots between them")]
    InvalidName(&'static str),
    /// A path is not of the form that [`Row::path`] asks for.
    #[error("the path {path} of {name} cannot be used: {reason}")]
    InvalidPath {
        /// Name of the row.
        name: &'static str,
        /// Its path.
        path: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// Success with a status 204 goes with an output of `()`, and with nothing else.
    #[error("{0}: the status must be 204 exactly when the output is ()")]
    NoContent(&'static str),
    /// The method cannot be served by a row.
    #[error("{name}: rows cannot answer {method}")]
    InvalidMethod {
        /// Name of the row.
        name: &'static str,
        /// Its method.
        method: Method,
    },
}

/// Checks rows against each other.
pub(crate) fn check<'a>(rows: impl Iterator<Item = &'a Row>) -> Result<(), TableError> {
    let mut names = HashMap::new();
    let mut shapes: HashMap<String, &Row> = HashMap::new();
    let mut routes: HashMap<(String, Method), &Row> = HashMap::new();
    for row in rows {
        if !is_name(row.name) {
            return Err(TableError::InvalidName(row.name));
        }
        if names.insert(row.name, ()).is_some() {
            return Err(TableError::DuplicateName(row.name));
        }
        // HEAD and OPTIONS are answered for every path by the router itself.
        let served = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        if !served.contains(&row.method) {
            return Err(TableError::InvalidMethod { name: row.name, method: row.method.clone() });
        }
        let shape = Template::parse(row.path)
            .map_err(|reason| TableError::InvalidPath { name: row.name, path: row.path, reason })?
            .shape;
        if let Some(first) = routes.insert((shape.clone(), row.method.clone()), row) {
            return Err(TableError::DuplicateRoute {
                first: first.name,
                second: row.name,
                method: row.method.clone(),
                path: row.path,
            });
        }
        if let Some(first) = shapes.insert(shape, row)
            && first.path != row.path
        {
            return Err(TableError::Ambiguous { first: first.path, second: row.path });
        }
    }
    for (shape, first) in &shapes {
        let rival = shape.strip_suffix("{*}").and_then(|start| {
            let one_segment = format!("{start}{{}}");
            shapes.iter().find(|(shape, _)| shape.starts_with(&one_segment))
        });
        if let Some((_, second)) = rival {
            return Err(TableError::Ambiguous { first: first.path, second: second.path });
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    name.split('.').all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    })
}
