//! What Postgres says of its schema.

use libtest_mimic::Failed;
use portway_adapters_postgres::PostgresDatabase;
use portway_sql::row::Row;
use portway_sql::schema::Kind;

use crate::neutral::{Column, Index, LEDGER, Reference, Schema, Table, condition, quoted};
use crate::{empty, rows};

const TABLES: &str = "SELECT relname AS name FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname <> $1";

/// Columns that are only there to be searched have no counterpart.
const COLUMNS: &str = "SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, a.attnotnull AS not_null,
        a.atthasdef OR a.attidentity <> '' AS has_default, a.attidentity <> '' AS is_identity,
        array_position(k.conkey, a.attnum)::bigint AS key,
        (SELECT string_agg(pg_get_constraintdef(c.oid), ' ') FROM pg_constraint c
            WHERE c.conrelid = a.attrelid AND c.contype = 'c' AND c.conkey = ARRAY[a.attnum]) AS checks
    FROM pg_attribute a LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
    WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid <> 'tsvector'::regtype";

const INDEXES: &str = "SELECT c.relname AS name, i.indisunique AS is_unique, pg_get_expr(i.indpred, i.indrelid) AS partial,
        EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u')) AS is_constraint,
        (SELECT string_agg(COALESCE(a.attname, 'an expression')
                || CASE WHEN i.indoption[p.place - 1] & 1 = 1 THEN ' DESC' ELSE '' END, ',' ORDER BY p.place)
            FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS p (attnum, place)
            LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = p.attnum AND p.attnum > 0) AS columns
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    WHERE i.indrelid = $1::regclass AND m.amname = 'btree'";

const REFERENCES: &str = "SELECT confrelid::regclass::text AS target, confdeltype::text AS on_delete,
        (SELECT string_agg(a.attname, ',' ORDER BY p.place) FROM unnest(conkey) WITH ORDINALITY AS p (attnum, place)
            JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = p.attnum) AS own,
        (SELECT string_agg(a.attname, ',' ORDER BY p.place) FROM unnest(confkey) WITH ORDINALITY AS p (attnum, place)
            JOIN pg_attribute a ON a.attrelid = confrelid AND a.attnum = p.attnum) AS other
    FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'f'";

/// Text columns in an index whose order depends on the server's language.
const BY_LOCALE: &str = "SELECT DISTINCT c.relname || '.' || a.attname AS place
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::smallint[])
        JOIN pg_collation l ON l.oid = a.attcollation
    WHERE c.relnamespace = current_schema()::regnamespace AND l.collname <> 'C' ORDER BY place";

pub(crate) async fn schema(database: &PostgresDatabase) -> Result<Schema, Failed> {
    let names = texts(&rows(database, TABLES, vec![LEDGER.into()]).await?, "name")?;
    let mut schema = empty(names);
    for (name, table) in &mut schema.tables {
        add_columns(database, name, table).await?;
        add_indexes(database, name, table).await?;
        add_references(database, name, table).await?;
    }
    Ok(schema)
}

pub(crate) async fn looked_up_by_locale(database: &PostgresDatabase) -> Result<Vec<String>, Failed> {
    texts(&rows(database, BY_LOCALE, vec![]).await?, "place")
}

fn texts(rows: &[Row], column: &str) -> Result<Vec<String>, Failed> {
    Ok(rows.iter().map(|row| row.get(column)).collect::<Result<_, _>>()?)
}

async fn add_columns(database: &PostgresDatabase, name: &str, table: &mut Table) -> Result<(), Failed> {
    for row in rows(database, COLUMNS, vec![name.into()]).await? {
        let (column, declared): (String, String) = (row.get("name")?, row.get("type")?);
        let kind = match &*declared {
            "bigint" if row.get("is_identity")? => Kind::RowNumber,
            "bigint" => Kind::Integer,
            "boolean" => Kind::Flag,
            "bytea" => Kind::Bytes,
            "double precision" => Kind::Real,
            "jsonb" => Kind::Json,
            "text" => Kind::Text,
            "timestamp with time zone" => Kind::Time,
            other => return Err(format!("{name}.{column} has the type {other}").into()),
        };
        let values = quoted(&row.get::<Option<String>>("checks")?.unwrap_or_default());
        let (not_null, has_default, key) = (row.get("not_null")?, row.get("has_default")?, row.get("key")?);
        table.columns.insert(column, Column { kind, not_null, has_default, key, values });
    }
    Ok(())
}

async fn add_indexes(database: &PostgresDatabase, name: &str, table: &mut Table) -> Result<(), Failed> {
    for row in rows(database, INDEXES, vec![name.into()]).await? {
        let partial = row.get::<Option<String>>("partial")?.map(|text| condition(&text));
        let is_constraint: bool = row.get("is_constraint")?;
        let name = (!is_constraint).then(|| row.get("name")).transpose()?;
        table.indexes.insert(Index { columns: list(&row, "columns")?, unique: row.get("is_unique")?, partial, name });
    }
    Ok(())
}

async fn add_references(database: &PostgresDatabase, name: &str, table: &mut Table) -> Result<(), Failed> {
    for row in rows(database, REFERENCES, vec![name.into()]).await? {
        let on_delete = match &*row.get::<String>("on_delete")? {
            "a" => "NO ACTION",
            "r" => "RESTRICT",
            "c" => "CASCADE",
            "n" => "SET NULL",
            _ => "SET DEFAULT",
        };
        table.references.insert(Reference {
            columns: list(&row, "own")?,
            table: row.get("target")?,
            targets: list(&row, "other")?,
            on_delete: on_delete.to_owned(),
        });
    }
    Ok(())
}

fn list(row: &Row, column: &str) -> Result<Vec<String>, Failed> {
    Ok(row.get::<String>(column)?.split(',').map(str::to_owned).collect())
}
