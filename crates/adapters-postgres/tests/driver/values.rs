//! Every kind of value comes back as it went in.

use portway_domain::time::Timestamp;
use portway_sql::dialect::Dialect;
use portway_sql::driver::{Read, SqlDriver, SqlError, Step};
use portway_sql::row::Cell;
use sea_query::Value;

use crate::fixture::{Fixture, statement, step};

async fn round_trip(fixture: &Fixture, column: &str, value: Value) -> Cell {
    let text = format!("INSERT INTO cells ({column}) VALUES ($1) RETURNING {column}");
    let insert = Step::new(statement(&text, vec![value]));
    fixture.must_commit(vec![step("DELETE FROM cells"), insert]).await;
    let text = format!("SELECT {column} FROM cells");
    let alone = fixture.rows(&text, vec![]).await[0].cells()[0].clone();
    let twice = Read::bounded(vec![statement(&text, vec![]); 2]);
    for rows in fixture.database.read(twice).await.unwrap() {
        assert_eq!(rows[0].cells(), std::slice::from_ref(&alone), "alone and in a fold");
    }
    alone
}

pub(crate) async fn integers_and_booleans() {
    let fixture = Fixture::new().await;
    for number in [i64::MIN, -1, 0, 1, (1 << 53) + 1, i64::MAX] {
        assert_eq!(round_trip(&fixture, "int", number.into()).await, Cell::Int(number));
    }
    for (value, expected) in [
        (Value::from(-8_i8), -8),
        (Value::from(-16_i16), -16),
        (Value::from(-32_i32), -32),
        (Value::from(u8::MAX), 255),
        (Value::from(u16::MAX), 65_535),
        (Value::from(u32::MAX), 4_294_967_295),
        (Value::from(7_u64), 7),
    ] {
        assert_eq!(round_trip(&fixture, "int", value).await, Cell::Int(expected));
    }
    for value in [true, false] {
        assert_eq!(round_trip(&fixture, "flag", value.into()).await, Cell::Bool(value));
    }
    fixture.remove().await;
}

pub(crate) async fn floating_point_numbers() {
    let fixture = Fixture::new().await;
    for number in [0.0, -0.1, f64::MIN_POSITIVE, f64::MAX, f64::MIN, 1e300] {
        assert_eq!(round_trip(&fixture, "real", number.into()).await, Cell::Real(number));
    }
    assert_eq!(round_trip(&fixture, "real", 0.5_f32.into()).await, Cell::Real(0.5));
    fixture.remove().await;
}

pub(crate) async fn text() {
    let fixture = Fixture::new().await;
    let long = "ä".repeat(100_000);
    for text in ["", "plain", "it's \"quoted\" \\ $1", "日本 👩‍👩‍👧 \u{301}", "\u{1}\u{7f}\u{FFFF}\u{10FFFF}", &long]
    {
        assert_eq!(round_trip(&fixture, "text", text.into()).await, Cell::Text(text.to_owned()));
    }
    assert_eq!(round_trip(&fixture, "text", 'ß'.into()).await, Cell::Text("ß".into()));
    fixture.remove().await;
}

pub(crate) async fn documents() {
    let fixture = Fixture::new().await;
    for text in [r#"["a\"", "ü", 1.5, null, true]"#, "{}", r#"{"a": {"b": []}}"#, "9007199254740993"] {
        let value = Value::Json(Some(Box::new(json(text))));
        let Cell::Text(back) = round_trip(&fixture, "document", value).await else { panic!("no text") };
        assert_eq!(json(&back), json(text));
    }
    fixture.remove().await;
}

fn json(text: &str) -> serde_json::Value {
    text.parse().unwrap()
}

pub(crate) async fn bytes() {
    let fixture = Fixture::new().await;
    let all: Vec<u8> = (0..=255).collect();
    for bytes in [vec![], vec![0], all, vec![7; 1 << 20]] {
        assert_eq!(round_trip(&fixture, "blob", bytes.clone().into()).await, Cell::Blob(bytes));
    }
    fixture.remove().await;
}

pub(crate) async fn moments() {
    let fixture = Fixture::new().await;
    for micros in [
        i64::MIN,
        -9_007_199_254_740_991,
        -1,
        0,
        1,
        946_684_799_999_999,
        946_684_800_000_000,
        1_771_927_200_123_456,
        i64::MAX,
    ] {
        let time = Timestamp::from_micros(micros);
        let back = round_trip(&fixture, "moment", Dialect::Postgres.time(time)).await;
        assert_eq!(back, Cell::Int(time.as_micros()));
    }
    fixture.must_commit(vec![step("UPDATE cells SET moment = 'infinity'")]).await;
    let read = Read::bounded(vec![statement("SELECT moment FROM cells", vec![])]);
    let error = fixture.database.read(read).await.unwrap_err();
    assert!(matches!(&error, SqlError::Corrupt { column, .. } if column == "moment"), "{error}");
    fixture.remove().await;
}

pub(crate) async fn missing_values_of_every_type() {
    let fixture = Fixture::new().await;
    for (column, value) in [
        ("int", Value::BigInt(None)),
        ("int", Value::BigUnsigned(None)),
        ("flag", Value::Bool(None)),
        ("real", Value::Double(None)),
        ("text", Value::String(None)),
        ("document", Value::Json(None)),
        ("blob", Value::Bytes(None)),
        ("moment", Dialect::Postgres.optional_time(None)),
    ] {
        assert_eq!(round_trip(&fixture, column, value).await, Cell::Null);
    }
    fixture.remove().await;
}

pub(crate) async fn what_cannot_be_kept_is_refused() {
    let fixture = Fixture::new().await;
    let nul = Value::Json(Some(Box::new(json(r#"["\u0000"]"#))));
    for (column, value) in [
        ("int", Value::from(u64::MAX)),
        ("real", Value::from(f64::NAN)),
        ("text", Value::from("a\0b")),
        ("document", nul),
    ] {
        let text = format!("INSERT INTO cells ({column}) VALUES ($1)");
        let steps = vec![Step::new(statement(&text, vec![value]))];
        let error = fixture.database.write(steps).await.unwrap_err();
        assert!(matches!(error, SqlError::Rejected(_)), "{column}: {error}");
    }
    fixture.remove().await;
}

pub(crate) async fn a_type_that_is_not_understood_is_named() {
    let fixture = Fixture::new().await;
    let sum = statement("SELECT sum(1::bigint) AS total", vec![]);
    for statements in [vec![sum.clone()], vec![sum.clone(), sum]] {
        let error = fixture.database.read(Read::bounded(statements)).await.unwrap_err();
        assert!(matches!(&error, SqlError::Statement(text) if text.contains("total")), "{error}");
    }
    fixture.remove().await;
}
