//! What SQLite says of its schema. Its types are few: what a column is for is told by its name and its checks.

use std::collections::BTreeMap;

use libtest_mimic::Failed;
use portway_adapters_sqlite::SqliteDatabase;
use portway_sql::schema::Kind;

use crate::neutral::{Column, Index, LEDGER, Reference, Schema, Table, condition, quoted};
use crate::{empty, rows};

/// Virtual tables and their shadows are of other types.
const TABLES: &str = "SELECT l.name, s.sql FROM pragma_table_list AS l JOIN sqlite_schema AS s ON s.name = l.name
    WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite_%' AND l.name <> ?";

const COLUMNS: &str = "SELECT name, type, \"notnull\", dflt_value IS NOT NULL AS has_default, pk
    FROM pragma_table_xinfo(?) WHERE hidden = 0";

const INDEXES: &str = "SELECT l.name, l.\"unique\" AS is_unique, l.origin, s.sql
    FROM pragma_index_list(?) AS l LEFT JOIN sqlite_schema AS s ON s.name = l.name";

const INDEX_COLUMNS: &str = "SELECT name, \"desc\" AS descends FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno";

const REFERENCES: &str = "SELECT id, \"table\" AS target, \"from\" AS own, \"to\" AS other, on_delete
    FROM pragma_foreign_key_list(?) ORDER BY id, seq";

pub(crate) async fn schema(database: &SqliteDatabase) -> Result<Schema, Failed> {
    let found = rows(database, TABLES, vec![LEDGER.into()]).await?;
    let tables = found.iter().map(|row| Ok((row.get("name")?, row.get("sql")?)));
    let tables: BTreeMap<String, String> = tables.collect::<Result<_, Failed>>()?;
    let mut schema = empty(tables.keys().cloned());
    for (name, table) in &mut schema.tables {
        let checks = checks(&tables[name]);
        add_columns(database, name, &checks, table).await?;
        add_indexes(database, name, table).await?;
        add_references(database, name, table).await?;
    }
    Ok(schema)
}

/// The checks of a table, by the text that they begin with, which is a column or a function of it.
fn checks(sql: &str) -> Vec<String> {
    let check = |rest: &str| {
        let mut open = 0;
        let end = rest.find(|letter| {
            open += i32::from(letter == '(') - i32::from(letter == ')');
            open == 0
        });
        rest[1..end.unwrap_or(rest.len())].trim().to_owned()
    };
    sql.split("CHECK ").skip(1).map(check).collect()
}

async fn add_columns(
    database: &SqliteDatabase,
    name: &str,
    checks: &[String],
    table: &mut Table,
) -> Result<(), Failed> {
    let found = rows(database, COLUMNS, vec![name.into()]).await?;
    let keys = found.iter().map(|row| Ok(i64::from(row.get::<i64>("pk")? > 0))).sum::<Result<i64, Failed>>()?;
    for row in found {
        let column: String = row.get("name")?;
        let declared: String = row.get("type")?;
        let key = Some(row.get::<i64>("pk")?).filter(|place| *place > 0);
        let of_column = |check: &&String| check.split_once(' ').is_some_and(|(first, _)| first == column);
        let check = checks.iter().find(of_column).map(String::as_str).unwrap_or_default();
        let is_json = checks.contains(&format!("json_valid({column})"));
        let kind = match &*declared {
            "INTEGER" if column.ends_with("_at") || column.ends_with("_until") => Kind::Time,
            "INTEGER" if check.ends_with("IN (0, 1)") => Kind::Flag,
            "INTEGER" if keys == 1 && key.is_some() => Kind::RowNumber,
            "INTEGER" => Kind::Integer,
            "TEXT" if is_json => Kind::Json,
            "TEXT" => Kind::Text,
            "REAL" => Kind::Real,
            "BLOB" => Kind::Bytes,
            other => return Err(format!("{name}.{column} has the type {other}").into()),
        };
        let (mut not_null, mut has_default) = (row.get("notnull")?, row.get("has_default")?);
        if kind == Kind::RowNumber {
            // The place of the row itself: it is never missing, and no index is needed to find it.
            (not_null, has_default) = (true, true);
            table.indexes.insert(Index { columns: vec![column.clone()], unique: true, partial: None, name: None });
        }
        table.columns.insert(column, Column { kind, not_null, has_default, key, values: quoted(check) });
    }
    Ok(())
}

async fn add_indexes(database: &SqliteDatabase, name: &str, table: &mut Table) -> Result<(), Failed> {
    for row in rows(database, INDEXES, vec![name.into()]).await? {
        let index: String = row.get("name")?;
        let mut columns = Vec::new();
        for column in rows(database, INDEX_COLUMNS, vec![index.as_str().into()]).await? {
            let name = column.get::<Option<String>>("name")?.unwrap_or_else(|| "an expression".to_owned());
            columns.push(if column.get("descends")? { format!("{name} DESC") } else { name });
        }
        let sql: Option<String> = row.get("sql")?;
        let partial = sql.as_deref().and_then(|sql| sql.split_once("WHERE ")).map(|(_, text)| condition(text));
        let name = (row.get::<String>("origin")? == "c").then_some(index);
        table.indexes.insert(Index { columns, unique: row.get("is_unique")?, partial, name });
    }
    Ok(())
}

async fn add_references(database: &SqliteDatabase, name: &str, table: &mut Table) -> Result<(), Failed> {
    let mut references: BTreeMap<i64, Reference> = BTreeMap::new();
    for row in rows(database, REFERENCES, vec![name.into()]).await? {
        let reference = references.entry(row.get("id")?).or_default();
        reference.columns.push(row.get("own")?);
        let other: Option<String> = row.get("other")?;
        reference.targets.push(other.unwrap_or_else(|| "name the columns".to_owned()));
        reference.table = row.get("target")?;
        reference.on_delete = row.get("on_delete")?;
    }
    table.references.extend(references.into_values());
    Ok(())
}
