//! A schema in words that fit both databases.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use portway_sql::schema::Kind;

/// The ledger belongs to the runner of the migrations, which makes it in its own way.
pub(crate) const LEDGER: &str = "schema_migrations";

/// What the migrations leave.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) tables: BTreeMap<String, Table>,
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) columns: BTreeMap<String, Column>,
    pub(crate) indexes: BTreeSet<Index>,
    pub(crate) references: BTreeSet<Reference>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) kind: Kind,
    pub(crate) not_null: bool,
    pub(crate) has_default: bool,
    /// Its place in the primary key, counted from one.
    pub(crate) key: Option<i64>,
    /// The texts that it may hold, if they are listed.
    pub(crate) values: BTreeSet<String>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Index {
    /// Columns in order, with `DESC` where they descend.
    pub(crate) columns: Vec<String>,
    pub(crate) unique: bool,
    /// The condition of the rows that are in it.
    pub(crate) partial: Option<String>,
    /// None for one that a constraint made.
    pub(crate) name: Option<String>,
}

#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    pub(crate) columns: Vec<String>,
    pub(crate) table: String,
    pub(crate) targets: Vec<String>,
    pub(crate) on_delete: String,
}

/// A condition without what the databases write differently.
pub(crate) fn condition(text: &str) -> String {
    let text = text.to_lowercase().replace(['(', ')', '"'], "");
    text.trim().trim_end_matches(" = true").to_owned()
}

/// The texts in single quotes.
pub(crate) fn quoted(text: &str) -> BTreeSet<String> {
    text.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Everything in which the two differ, a line each.
pub(crate) fn differences(sqlite: &Schema, postgres: &Schema) -> Vec<String> {
    let mut lines = Vec::new();
    compare_maps("table ", &sqlite.tables, &postgres.tables, &mut lines, |name, ours, theirs, lines| {
        let place = format!("column {name}.");
        compare_maps(&place, &ours.columns, &theirs.columns, lines, |column, ours, theirs, lines| {
            if ours != theirs {
                lines.push(format!("{place}{column}: SQLite has {ours:?}, Postgres has {theirs:?}"));
            }
        });
        compare_sets(&format!("index on {name}"), &ours.indexes, &theirs.indexes, lines);
        compare_sets(&format!("reference of {name}"), &ours.references, &theirs.references, lines);
    });
    lines
}

fn compare_maps<T>(
    what: &str,
    ours: &BTreeMap<String, T>,
    theirs: &BTreeMap<String, T>,
    lines: &mut Vec<String>,
    compare: impl Fn(&str, &T, &T, &mut Vec<String>),
) {
    for name in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        match (ours.get(name), theirs.get(name)) {
            (Some(ours), Some(theirs)) => compare(name, ours, theirs, lines),
            (Some(_), None) => lines.push(format!("{what}{name} is only in SQLite")),
            (None, _) => lines.push(format!("{what}{name} is only in Postgres")),
        }
    }
}

fn compare_sets<T: Ord + Debug>(what: &str, ours: &BTreeSet<T>, theirs: &BTreeSet<T>, lines: &mut Vec<String>) {
    lines.extend(ours.difference(theirs).map(|item| format!("{what} only in SQLite: {item:?}")));
    lines.extend(theirs.difference(ours).map(|item| format!("{what} only in Postgres: {item:?}")));
}
