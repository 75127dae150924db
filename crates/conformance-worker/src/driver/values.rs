//! Every kind of value comes back as it went in.

use portway_conformance::{Failure, check, check_eq};
use portway_sql::driver::{SqlDriver, Step, WriteOutcome};
use portway_sql::row::Cell;
use sea_query::Value;

use super::Outcome;
use super::fixture::{Fixture, statement, step};
use crate::backend::D1;

const LARGEST: i64 = (1 << 53) - 1;

/// Writes a value into a column and reads it again, both from the write and from a read.
async fn round_trip(f: &Fixture, insert: &'static str, select: &'static str, value: Value) -> Outcome<Cell> {
    let steps = vec![step("DELETE FROM cells"), Step::new(statement(insert, vec![value]))];
    let outcome = f.0.write(steps).await.map_err(Failure::new)?;
    let WriteOutcome::Committed(outcomes) = outcome else {
        return Err(Failure::new(format!("{outcome:?}")));
    };
    let written: Vec<Cell> = outcomes[1][0].cells().to_vec();
    let read = f.rows(select, vec![]).await?;
    check_eq!(written, read[0].cells());
    Ok(read[0].cells()[0].clone())
}

macro_rules! round_trip {
    ($fixture:expr, $column:literal, $value:expr) => {
        round_trip(
            &$fixture,
            concat!("INSERT INTO cells (", $column, ") VALUES (?) RETURNING ", $column),
            concat!("SELECT ", $column, " FROM cells"),
            $value,
        )
        .await?
    };
}

pub(crate) async fn whole_numbers_come_back_as_integers(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    for number in [-LARGEST, -1, 0, 1, 1 << 32, LARGEST] {
        check_eq!(round_trip!(f, "int", number.into()), Cell::Int(number));
    }
    for (value, expected) in [
        (Value::from(true), 1),
        (Value::from(false), 0),
        (Value::from(-8_i8), -8),
        (Value::from(u16::MAX), 65_535),
        (Value::from(u32::MAX), 4_294_967_295),
        (Value::from(7_u64), 7),
    ] {
        check_eq!(round_trip!(f, "int", value), Cell::Int(expected));
    }
    Ok(())
}

pub(crate) async fn fractions_come_back_exactly(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    for number in [-0.1, 0.1 + 0.2, f64::MIN_POSITIVE, f64::MAX, f64::MIN, 1e300] {
        check_eq!(round_trip!(f, "real", number.into()), Cell::Real(number));
    }
    for number in [0.0, -2.0, 5.0] {
        round_trip!(f, "real", number.into());
        let rows = f.rows("SELECT real FROM cells", vec![]).await?;
        check_eq!(rows[0].get::<f64>("real"), Ok(number));
    }
    Ok(())
}

pub(crate) async fn text_comes_back_to_the_letter(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    let long = "ä".repeat(100_000);
    for text in ["", "plain", "it's \"quoted\" \\", "a\0b\0", "日本 👩\u{200d}👧 \u{301}\u{ffff}\u{10ffff}", &long]
    {
        check_eq!(round_trip!(f, "text", text.into()), Cell::Text(text.to_owned()));
        let found = f.rows("SELECT count(*) AS n FROM cells WHERE text = ?", vec![text.into()]).await?;
        check_eq!(found[0].get::<i64>("n"), Ok(1));
    }
    check_eq!(round_trip!(f, "text", 'ß'.into()), Cell::Text("ß".into()));
    let json = Value::Json(Some(Box::new(vec!["a\0b", "ü"].into())));
    check_eq!(round_trip!(f, "text", json), Cell::Text("[\"a\\u0000b\",\"ü\"]".into()));
    Ok(())
}

pub(crate) async fn bytes_come_back(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    for bytes in [vec![], vec![0], (0..=255).collect(), vec![7; 1 << 18]] {
        check_eq!(round_trip!(f, "blob", bytes.clone().into()), Cell::Blob(bytes));
    }
    Ok(())
}

pub(crate) async fn missing_values_of_every_type_come_back(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    check_eq!(round_trip!(f, "int", Value::BigInt(None)), Cell::Null);
    check_eq!(round_trip!(f, "int", Value::Bool(None)), Cell::Null);
    check_eq!(round_trip!(f, "real", Value::Double(None)), Cell::Null);
    check_eq!(round_trip!(f, "text", Value::String(None)), Cell::Null);
    check_eq!(round_trip!(f, "text", Value::Json(None)), Cell::Null);
    check_eq!(round_trip!(f, "blob", Value::Bytes(None)), Cell::Null);
    Ok(())
}

pub(crate) async fn bound_numbers_are_floats_until_they_are_cast(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    let text = "SELECT typeof(?) AS bound, typeof(CAST(? AS INTEGER)) AS cast_number, 7 / ? AS divided";
    let rows = f.rows(text, vec![5.into(), 5.into(), 2.into()]).await?;
    check_eq!(rows[0].get::<String>("bound"), Ok("real".into()));
    check_eq!(rows[0].get::<String>("cast_number"), Ok("integer".into()));
    check!(matches!(rows[0].cells()[2], Cell::Real(_)), "the rule for casts would be needless");
    // Where they meet a column of integers they need none.
    f.done(vec![Step::new(statement("INSERT INTO cells (id, int) VALUES (?, ?)", vec![1.into(), 2.into()]))]).await?;
    let text = "SELECT typeof(int) AS stored FROM cells WHERE id = ? AND int < ? LIMIT ?";
    let rows = f.rows(text, vec![1.into(), 3.into(), 10.into()]).await?;
    check_eq!(rows[0].get::<String>("stored"), Ok("integer".into()));
    Ok(())
}
