//! Rows of a table as structs: the column list, the values of an insert and the order of decoding come from one
//! declaration, so they cannot drift apart.

use sea_query::{Expr, ExprTrait, InsertStatement, Query, SelectStatement, UpdateStatement, Value};

use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement};
use crate::row::{Cell, FromCell, Row};
use crate::value::IntoValue;

/// A struct that is a row of a table. Implemented by `record!`.
pub trait Record: Sized {
    /// The table.
    const TABLE: &'static str;
    /// Its columns, in the order of the fields.
    const COLUMNS: &'static [&'static str];

    /// Takes the next columns of a row that holds several records (a join).
    ///
    /// # Errors
    /// [`SqlError::Corrupt`] with table and column when a value is of the wrong type or missing.
    fn decode_cells(cells: &mut Cells) -> Result<Self, SqlError>;

    /// The values in the order of [`Record::COLUMNS`].
    ///
    /// # Errors
    /// [`SqlError::Rejected`] with table and column when no database could store a value.
    fn into_values(self, dialect: Dialect) -> Result<Vec<Value>, SqlError>;

    /// Decodes a row that holds exactly this record.
    ///
    /// # Errors
    /// [`SqlError::Corrupt`] with table and column when a value is of the wrong type, missing, or too many.
    fn decode(row: Row) -> Result<Self, SqlError> {
        let mut cells = Cells::new(row);
        let record = Self::decode_cells(&mut cells)?;
        match cells.0.len() {
            0 => Ok(record),
            more => Err(SqlError::Corrupt {
                table: Self::TABLE,
                column: "*".into(),
                detail: format!("the statement returns {more} more columns than the record has"),
            }),
        }
    }

    /// Decodes rows that hold exactly this record each.
    ///
    /// # Errors
    /// As [`Record::decode`].
    fn decode_all(rows: Vec<Row>) -> Result<Vec<Self>, SqlError> {
        rows.into_iter().map(Self::decode).collect()
    }

    /// Decodes the first row, if there is one.
    ///
    /// # Errors
    /// As [`Record::decode`].
    fn decode_first(rows: Vec<Row>) -> Result<Option<Self>, SqlError> {
        rows.into_iter().next().map(Self::decode).transpose()
    }

    /// `SELECT` of all columns from the table, ready for conditions. Columns are qualified with the table.
    #[must_use]
    fn select() -> SelectStatement {
        let mut select = Query::select();
        select.columns(Self::COLUMNS.iter().map(|column| (Self::TABLE, *column))).from(Self::TABLE);
        select
    }

    /// `INSERT` of a record with these values, in the order of [`Record::COLUMNS`].
    ///
    /// # Errors
    /// [`SqlError::Statement`] when there are more or fewer values than columns.
    fn insert_of<T: Into<Expr>>(values: impl IntoIterator<Item = T>) -> Result<InsertStatement, SqlError> {
        let mut insert = Query::insert();
        insert.into_table(Self::TABLE).columns(Self::COLUMNS.iter().copied());
        insert.values(values.into_iter().map(Into::into)).map_err(|error| SqlError::Statement(error.to_string()))?;
        Ok(insert)
    }

    /// The statement that inserts this record.
    ///
    /// # Errors
    /// As [`Record::into_values`].
    fn insert(self, dialect: Dialect) -> Result<Statement, SqlError>;

    /// `UPDATE` of all columns but `key` of the record that has this key and a version. The values are those of the
    /// columns, in the order of [`Record::COLUMNS`], and behind them the version that the record must have.
    fn update_of<T: Into<Expr> + Copy>(values: &[T], key: &'static str) -> UpdateStatement {
        let mut update = Query::update();
        update.table(Self::TABLE);
        for (column, value) in Self::COLUMNS.iter().copied().zip(values) {
            // Naming the key in an assignment would make the database check every reference to it.
            if column == key {
                update.and_where(Expr::col(column).eq(*value));
            } else {
                update.value(column, *value);
            }
        }
        let version = values.last().copied().map(|version| Expr::col("version").eq(version));
        update.and_where_option(version).take()
    }
}

/// The cells of one row, taken from the left.
#[derive(Debug)]
pub struct Cells(std::vec::IntoIter<Cell>);

impl Cells {
    /// All cells of a row.
    #[must_use]
    pub fn new(row: Row) -> Self {
        Self(row.into_cells().into_iter())
    }

    /// Decodes the next cell. The names are for the error only.
    ///
    /// # Errors
    /// [`SqlError::Corrupt`] when there are no more cells or the next one is of another type.
    pub fn take<T: FromCell>(&mut self, table: &'static str, column: &'static str) -> Result<T, SqlError> {
        let corrupt = |detail| SqlError::Corrupt { table, column: column.to_owned(), detail };
        let cell = self.0.next().ok_or_else(|| corrupt("the statement does not return this column".into()))?;
        T::from_cell(cell).map_err(|mismatch| corrupt(mismatch.0))
    }
}

/// Encodes one field; the names are for the error only.
pub(crate) fn encode<T: IntoValue>(
    value: T,
    dialect: Dialect,
    table: &'static str,
    column: &'static str,
) -> Result<Value, SqlError> {
    value.into_value(dialect).map_err(|error| match error {
        SqlError::Rejected(detail) => SqlError::Rejected(format!("{table}.{column}: {detail}")),
        other => other,
    })
}

/// Declares a row struct and implements [`Record`] for it.
///
/// ```ignore
/// record! {
///     /// One line of documentation.
///     pub(crate) struct NoteRow in "notes" {
///         id: NoteId,
///         kind: String = "type",      // the column is called differently
///         pinned_at: Option<Timestamp>,
///         tags: Json<Vec<String>>,
///     }
/// }
/// ```
macro_rules! record {
    (@column $field:ident) => { stringify!($field) };
    (@column $field:ident $column:literal) => { $column };
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident in $table:literal {
            $(
                $(#[$field_meta:meta])*
                $field_vis:vis $field:ident : $type:ty $(= $column:literal)?
            ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $($(#[$field_meta])* $field_vis $field: $type,)*
        }

        impl $crate::record::Record for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] =
                &[$($crate::record::record!(@column $field $($column)?)),*];

            fn decode_cells(
                cells: &mut $crate::record::Cells,
            ) -> ::core::result::Result<Self, $crate::driver::SqlError> {
                Ok(Self {
                    $($field: cells.take(
                        $table,
                        $crate::record::record!(@column $field $($column)?),
                    )?,)*
                })
            }

            fn into_values(
                self,
                dialect: $crate::dialect::Dialect,
            ) -> ::core::result::Result<
                ::std::vec::Vec<::sea_query::Value>,
                $crate::driver::SqlError,
            > {
                Ok(::std::vec![$($crate::record::encode(
                    self.$field,
                    dialect,
                    $table,
                    $crate::record::record!(@column $field $($column)?),
                )?,)*])
            }

            fn insert(
                self,
                dialect: $crate::dialect::Dialect,
            ) -> ::core::result::Result<$crate::driver::Statement, $crate::driver::SqlError> {
                static INSERT: $crate::shape::Shape = $crate::shape::Shape::new();
                let values = self.into_values(dialect)?;
                INSERT.fill_values(dialect, &values, |values| Self::insert_of(values.iter().copied()))
            }
        }
    };
}
pub(crate) use record;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portway_domain::ids::UserId;
    use portway_domain::time::Timestamp;

    use super::*;
    use crate::row::Json;

    record! {
        /// A row with every kind of column.
        #[derive(Debug, Clone, PartialEq)]
        struct NoteRow in "notes" {
            id: UserId,
            kind: String = "type",
            size: u64,
            pinned_at: Option<Timestamp>,
            tags: Json<Vec<String>>,
        }
    }

    fn note() -> NoteRow {
        NoteRow {
            id: UserId::parse("u1").unwrap(),
            kind: "plain".into(),
            size: 3,
            pinned_at: None,
            tags: Json(vec!["a".into()]),
        }
    }

    fn row(cells: Vec<Cell>) -> Row {
        let names: Arc<[String]> = NoteRow::COLUMNS.iter().map(|&c| c.to_owned()).collect();
        Row::new(names, cells)
    }

    fn cells() -> Vec<Cell> {
        vec![
            Cell::Text("u1".into()),
            Cell::Text("plain".into()),
            Cell::Int(3),
            Cell::Null,
            Cell::Text(r#"["a"]"#.into()),
        ]
    }

    #[test]
    fn columns_values_and_decoding_share_one_order() {
        let select = Dialect::Sqlite.statement(&NoteRow::select());
        assert_eq!(
            select.text,
            r#"SELECT "notes"."id", "notes"."type", "notes"."size", "notes"."pinned_at", "notes"."tags" FROM "notes""#
        );
        let insert = note().insert(Dialect::Sqlite).unwrap();
        assert_eq!(
            insert.text,
            r#"INSERT INTO "notes" ("id", "type", "size", "pinned_at", "tags") VALUES (?, ?, ?, ?, ?)"#
        );
        assert_eq!(insert.args[3], Value::BigInt(None));
        assert_eq!(NoteRow::decode(row(cells())).unwrap(), note());
    }

    #[test]
    fn a_wrong_cell_names_table_and_column() {
        let mut wrong = cells();
        wrong[0] = Cell::Text("not an id!".into());
        let error = NoteRow::decode(row(wrong)).unwrap_err();
        assert!(error.to_string().contains("notes.id"), "{error}");
        let mut short = cells();
        short.pop();
        let error = NoteRow::decode(row(short)).unwrap_err();
        assert!(error.to_string().contains("notes.tags"), "{error}");
        let mut long = cells();
        long.push(Cell::Null);
        assert!(NoteRow::decode(row(long)).is_err());
    }

    #[test]
    fn a_value_that_cannot_be_stored_names_table_and_column() {
        let mut huge = note();
        huge.size = u64::MAX;
        let error = huge.into_values(Dialect::Sqlite).unwrap_err();
        assert!(error.to_string().contains("notes.size"), "{error}");
    }

    #[test]
    fn two_records_can_share_a_row() {
        let mut both = cells();
        both.extend(cells());
        let mut cells = Cells::new(row(both));
        assert_eq!(NoteRow::decode_cells(&mut cells).unwrap(), note());
        assert_eq!(NoteRow::decode_cells(&mut cells).unwrap(), note());
    }
}
