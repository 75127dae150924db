//! Every kind of value comes back as it went in.

use portway_sql::driver::{SqlDriver, SqlError, Step};
use portway_sql::row::Cell;
use sea_query::Value;

use crate::fixture::{Fixture, each, statement};

async fn round_trip(fixture: &Fixture, column: &str, value: Value) -> Cell {
    let text = format!("INSERT INTO cells ({column}) VALUES (?) RETURNING id");
    let steps = vec![Step::new(statement("DELETE FROM cells", vec![])), Step::new(statement(&text, vec![value]))];
    fixture.must_commit(steps).await;
    let text = format!("SELECT {column} FROM cells");
    fixture.rows(&text, vec![]).await[0].cells()[0].clone()
}

#[tokio::test]
async fn integers_and_booleans() {
    for fixture in each().await {
        for number in [i64::MIN, -1, 0, 1, (1 << 53) + 1, i64::MAX] {
            let back = round_trip(&fixture, "int", number.into()).await;
            assert_eq!(back, Cell::Int(number));
        }
        for (value, expected) in [
            (Value::from(true), 1),
            (Value::from(false), 0),
            (Value::from(-8_i8), -8),
            (Value::from(-16_i16), -16),
            (Value::from(-32_i32), -32),
            (Value::from(u8::MAX), 255),
            (Value::from(u16::MAX), 65_535),
            (Value::from(u32::MAX), 4_294_967_295),
            (Value::from(7_u64), 7),
        ] {
            let back = round_trip(&fixture, "int", value).await;
            assert_eq!(back, Cell::Int(expected));
        }
    }
}

#[tokio::test]
async fn floating_point_numbers() {
    for fixture in each().await {
        for number in [0.0, -0.1, f64::MIN_POSITIVE, f64::MAX, f64::MIN, 1e300] {
            let back = round_trip(&fixture, "real", number.into()).await;
            assert_eq!(back, Cell::Real(number));
        }
        let back = round_trip(&fixture, "real", 0.5_f32.into()).await;
        assert_eq!(back, Cell::Real(0.5));
    }
}

#[tokio::test]
async fn text() {
    for fixture in each().await {
        let long = "ä".repeat(100_000);
        for text in ["", "plain", "it's \"quoted\"", "a\0b\0", "日本 👩‍👩‍👧 \u{301}", &long] {
            let back = round_trip(&fixture, "text", text.into()).await;
            assert_eq!(back, Cell::Text(text.to_owned()));
        }
        let back = round_trip(&fixture, "text", 'ß'.into()).await;
        assert_eq!(back, Cell::Text("ß".into()));
        let json = Value::Json(Some(Box::new(vec!["a\0b", "ü"].into())));
        let back = round_trip(&fixture, "text", json).await;
        assert_eq!(back, Cell::Text("[\"a\\u0000b\",\"ü\"]".into()));
    }
}

#[tokio::test]
async fn bytes() {
    for fixture in each().await {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [vec![], vec![0], all, vec![7; 1 << 20]] {
            let back = round_trip(&fixture, "blob", bytes.clone().into()).await;
            assert_eq!(back, Cell::Blob(bytes));
        }
    }
}

#[tokio::test]
async fn missing_values_of_every_type() {
    for fixture in each().await {
        for (column, value) in [
            ("int", Value::BigInt(None)),
            ("int", Value::Bool(None)),
            ("int", Value::BigUnsigned(None)),
            ("real", Value::Double(None)),
            ("text", Value::String(None)),
            ("text", Value::Json(None)),
            ("blob", Value::Bytes(None)),
        ] {
            assert_eq!(round_trip(&fixture, column, value).await, Cell::Null);
        }
    }
}

#[tokio::test]
async fn what_sqlite_would_bend_is_refused() {
    for fixture in each().await {
        for (column, value) in [("int", Value::from(u64::MAX)), ("real", Value::from(f64::NAN))] {
            let text = format!("INSERT INTO cells ({column}) VALUES (?)");
            let steps = vec![Step::new(statement(&text, vec![value]))];
            let error = fixture.database.write(steps).await.unwrap_err();
            assert!(matches!(error, SqlError::Rejected(_)), "{error}");
        }
    }
}
