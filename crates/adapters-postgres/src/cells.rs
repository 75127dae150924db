//! Rows on their way out of a result. Every value tells its type, and is in the binary format.

use std::sync::Arc;

use portway_sql::driver::SqlError;
use portway_sql::row::{Cell, ColumnNames, QUERY_RESULT, Row};
use sqlx::postgres::PgRow;
use sqlx::postgres::types::Oid;
use sqlx::{Column, Row as _, ValueRef};

/// Postgres counts time from 2000-01-01: that many microseconds after 1970.
pub(crate) const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The types of values that are sent or understood: fixed numbers of the server's catalog.
pub(crate) mod oid {
    use sqlx::postgres::types::Oid;

    pub(crate) const BOOL: Oid = Oid(16);
    pub(crate) const BYTEA: Oid = Oid(17);
    pub(crate) const CHAR: Oid = Oid(18);
    pub(crate) const NAME: Oid = Oid(19);
    pub(crate) const INT8: Oid = Oid(20);
    pub(crate) const INT2: Oid = Oid(21);
    pub(crate) const INT4: Oid = Oid(23);
    pub(crate) const TEXT: Oid = Oid(25);
    pub(crate) const OID: Oid = Oid(26);
    pub(crate) const JSON: Oid = Oid(114);
    pub(crate) const FLOAT4: Oid = Oid(700);
    pub(crate) const FLOAT8: Oid = Oid(701);
    pub(crate) const VARCHAR: Oid = Oid(1043);
    pub(crate) const TIMESTAMPTZ: Oid = Oid(1184);
    pub(crate) const RECORD: Oid = Oid(2249);
    pub(crate) const VOID: Oid = Oid(2278);
    pub(crate) const JSONB: Oid = Oid(3802);
}

/// The rows of the statement with this text.
pub(crate) fn rows_of(names: &mut ColumnNames, text: &str, found: &[PgRow]) -> Result<Vec<Row>, SqlError> {
    let Some(first) = found.first() else {
        return Ok(Vec::new());
    };
    let columns = first.columns();
    let fit = |known: &[String]| known.iter().map(String::as_str).eq(columns.iter().map(Column::name));
    let read = || columns.iter().map(|column| column.name().to_owned()).collect();
    let names = names.of(text, fit, read);
    let types: Vec<Oid> = columns.iter().map(|column| column.type_info().oid().unwrap_or_default()).collect();
    let decode = |row: &PgRow| {
        let mut cells = Vec::with_capacity(names.len());
        for (index, (name, oid)) in names.iter().zip(&types).enumerate() {
            cells.push(cell(*oid, field(row, index)?, name)?);
        }
        Ok(Row::new(names.clone(), cells))
    };
    found.iter().map(decode).collect()
}

/// The rows of a statement that is not asked often.
pub(crate) fn rows(found: &[PgRow]) -> Result<Vec<Row>, SqlError> {
    rows_of(&mut ColumnNames::new(1), "", found)
}

/// The bytes of one field of a row; `None` is NULL.
pub(crate) fn field(row: &PgRow, index: usize) -> Result<Option<&[u8]>, SqlError> {
    let broken = |error: &dyn std::error::Error| SqlError::Statement(error.to_string());
    let value = row.try_get_raw(index).map_err(|error| broken(&error))?;
    if value.is_null() {
        return Ok(None);
    }
    value.as_bytes().map(Some).map_err(|error| broken(&*error))
}

/// The rows in an array of records. Each field of a record tells its type.
pub(crate) fn records(array: &[u8], names: &Arc<[String]>) -> Result<Vec<Row>, SqlError> {
    let mut reader = Reader(array);
    let dimensions = reader.count()?;
    let _has_nulls = reader.integer()?;
    let element = reader.oid()?;
    if dimensions == 0 {
        return Ok(Vec::new());
    }
    if dimensions != 1 || element != oid::RECORD {
        return Err(malformed());
    }
    let length = reader.count()?;
    let _lower_bound = reader.integer()?;
    // Every row takes some bytes, so a wrong length ends in an error before it takes memory.
    let mut rows = Vec::with_capacity(length.min(array.len()));
    for _ in 0..length {
        let record = reader.value()?.ok_or_else(malformed)?;
        rows.push(Row::new(names.clone(), record_cells(record, names)?));
    }
    Ok(rows)
}

fn record_cells(record: &[u8], names: &[String]) -> Result<Vec<Cell>, SqlError> {
    let mut reader = Reader(record);
    if reader.count()? != names.len() {
        return Err(malformed());
    }
    let mut cells = Vec::with_capacity(names.len());
    for name in names {
        let oid = reader.oid()?;
        cells.push(cell(oid, reader.value()?, name)?);
    }
    Ok(cells)
}

/// Takes binary values apart, from the left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], SqlError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn integer(&mut self) -> Result<i32, SqlError> {
        self.take(4)?.try_into().map(i32::from_be_bytes).map_err(|_| malformed())
    }

    fn count(&mut self) -> Result<usize, SqlError> {
        usize::try_from(self.integer()?).map_err(|_| malformed())
    }

    fn oid(&mut self) -> Result<Oid, SqlError> {
        self.take(4)?.try_into().map(|bytes| Oid(u32::from_be_bytes(bytes))).map_err(|_| malformed())
    }

    /// A length and that many bytes; NULL has the length -1.
    fn value(&mut self) -> Result<Option<&'a [u8]>, SqlError> {
        match self.integer()? {
            -1 => Ok(None),
            length => usize::try_from(length).map_err(|_| malformed()).and_then(|length| self.take(length)).map(Some),
        }
    }
}

fn malformed() -> SqlError {
    SqlError::Statement("the server sent a list of rows that cannot be read".into())
}

fn cell(oid: Oid, bytes: Option<&[u8]>, column: &str) -> Result<Cell, SqlError> {
    let Some(bytes) = bytes else {
        return Ok(Cell::Null);
    };
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cell::Text(text.to_owned())),
        Err(error) => Err(corrupt(column, format!("expected UTF-8: {error}"))),
    };
    let long = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).map_err(|_| short(column));
    match oid {
        oid::TEXT | oid::VARCHAR | oid::NAME | oid::CHAR | oid::JSON => text(bytes),
        oid::INT8 => long(bytes).map(Cell::Int),
        oid::BOOL => bytes.first().map(|byte| Cell::Bool(*byte != 0)).ok_or_else(|| short(column)),
        oid::TIMESTAMPTZ => time(long(bytes)?, column),
        oid::JSONB => text(bytes.get(1..).ok_or_else(|| short(column))?),
        oid::BYTEA => Ok(Cell::Blob(bytes.to_vec())),
        oid::INT4 => fixed(bytes, column).map(|bytes| Cell::Int(i32::from_be_bytes(bytes).into())),
        oid::INT2 => fixed(bytes, column).map(|bytes| Cell::Int(i16::from_be_bytes(bytes).into())),
        oid::OID => fixed(bytes, column).map(|bytes| Cell::Int(u32::from_be_bytes(bytes).into())),
        oid::FLOAT8 => fixed(bytes, column).map(|bytes| Cell::Real(f64::from_be_bytes(bytes))),
        oid::FLOAT4 => fixed(bytes, column).map(|bytes| Cell::Real(f32::from_be_bytes(bytes).into())),
        oid::VOID => Ok(Cell::Null),
        Oid(other) => {
            Err(SqlError::Statement(format!("column {column} has type {other}, which is not understood: cast it")))
        }
    }
}

fn fixed<const N: usize>(bytes: &[u8], column: &str) -> Result<[u8; N], SqlError> {
    bytes.try_into().map_err(|_| short(column))
}

fn time(since_2000: i64, column: &str) -> Result<Cell, SqlError> {
    // The two ends stand for infinity.
    match since_2000 {
        i64::MIN | i64::MAX => Err(corrupt(column, "expected a moment, found infinity".into())),
        micros => micros
            .checked_add(EPOCH_MICROS)
            .map(Cell::Int)
            .ok_or_else(|| corrupt(column, "expected a moment within the years 1 to 9999".into())),
    }
}

fn short(column: &str) -> SqlError {
    corrupt(column, "its value has another length than its type".into())
}

fn corrupt(column: &str, detail: String) -> SqlError {
    SqlError::Corrupt { table: QUERY_RESULT, column: column.to_owned(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Arc<[String]> {
        ["a".to_owned(), "b".to_owned()].into()
    }

    /// An array of one record with the number 7 and a NULL.
    fn array() -> Vec<u8> {
        let mut record = Vec::new();
        for number in [2, 20, 8, 0, 7, 25, -1] {
            record.extend_from_slice(&i32::to_be_bytes(number));
        }
        let mut array = Vec::new();
        for number in [1, 0, 2249, 1, 1, i32::try_from(record.len()).unwrap()] {
            array.extend_from_slice(&i32::to_be_bytes(number));
        }
        array.extend(record);
        array
    }

    #[test]
    fn records_are_taken_apart() {
        let rows = records(&array(), &names()).unwrap();
        assert_eq!(rows[0].cells(), [Cell::Int(7), Cell::Null]);
        let empty: Vec<u8> = [0, 0, 2249].into_iter().flat_map(i32::to_be_bytes).collect();
        assert_eq!(records(&empty, &names()), Ok(vec![]));
    }

    #[test]
    fn a_list_that_is_cut_or_lies_about_its_length_is_an_error() {
        let whole = array();
        for length in 0..whole.len() {
            assert!(records(&whole[..length], &names()).is_err(), "{length}");
        }
        for (at, byte) in [(0, 127), (12, 127), (15, 2), (20, 127), (27, 3)] {
            let mut wrong = whole.clone();
            wrong[at] = byte;
            assert!(records(&wrong, &names()).is_err(), "{at}");
        }
    }

    #[test]
    fn a_moment_is_exact_and_infinity_is_none() {
        let cell = |micros: i64| cell(oid::TIMESTAMPTZ, Some(&micros.to_be_bytes()), "at");
        assert_eq!(cell(-EPOCH_MICROS - 1), Ok(Cell::Int(-1)));
        assert!(matches!(cell(i64::MAX), Err(SqlError::Corrupt { .. })));
        assert!(matches!(cell(i64::MIN), Err(SqlError::Corrupt { .. })));
        assert!(matches!(cell(i64::MAX - 1), Err(SqlError::Corrupt { .. })));
    }

    #[test]
    fn a_type_that_is_not_understood_is_named() {
        let error = cell(Oid(1700), Some(&[0; 8]), "total").unwrap_err();
        assert!(error.to_string().contains("total") && error.to_string().contains("cast"), "{error}");
    }
}
