//! What the migrations add up to, next to the schema that the program goes by.

use std::collections::BTreeSet;

use portway_sql::schema::{Kind, TABLES, Table};

use crate::neutral::{Schema, Table as Found};

/// Everything in which a database differs from the expected schema, a line each.
pub(crate) fn deviations(found: &Schema) -> Vec<String> {
    let mut lines = Vec::new();
    let expected: BTreeSet<&str> = TABLES.iter().map(|table| table.name).collect();
    lines.extend(
        found
            .tables
            .keys()
            .filter(|name| !expected.contains(&***name))
            .map(|name| format!("table {name}: name it in crates/sql/src/schema/tables.rs")),
    );
    let mut known = BTreeSet::new();
    for table in TABLES {
        match found.tables.get(table.name) {
            Some(found) => {
                compare(table, found, &mut lines);
                let later = found.references.iter().filter(|reference| !known.contains(&*reference.table));
                lines.extend(later.map(|other| format!("table {}: put it behind {}", table.name, other.table)));
            }
            None => lines.push(format!("table {}: no migration makes it", table.name)),
        }
        known.insert(table.name);
    }
    lines
}

fn compare(table: &Table, found: &Found, lines: &mut Vec<String>) {
    let describe =
        |kind: Kind, is_empty: bool, key: Option<usize>| format!("{kind:?}, nullable {is_empty}, key {key:?}");
    let expected: BTreeSet<(String, String)> = table
        .columns
        .iter()
        .map(|column| {
            let place = table.key.iter().position(|name| *name == column.name);
            (column.name.to_owned(), describe(column.kind, column.nullable, place))
        })
        .collect();
    let found: BTreeSet<(String, String)> = found
        .columns
        .iter()
        .map(|(name, column)| {
            let place = column.key.and_then(|place| usize::try_from(place - 1).ok());
            (name.clone(), describe(column.kind, !column.not_null, place))
        })
        .collect();
    let line = |what: &str, (name, description): &(String, String)| {
        format!("column {}.{name}: {what} {description}", table.name)
    };
    lines.extend(expected.difference(&found).map(|column| line("expected is", column)));
    lines.extend(found.difference(&expected).map(|column| line("the database has", column)));
}
