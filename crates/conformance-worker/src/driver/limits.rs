//! What D1 does not take is told clearly.

use portway_conformance::{Failure, check, check_eq};
use portway_sql::driver::{Read, SqlDriver, SqlError, Statement, Step};
use sea_query::Value;

use super::Outcome;
use super::fixture::{Fixture, insert, statement};
use crate::backend::D1;

/// A query with so many arguments.
fn query(arguments: usize) -> Read {
    let list = vec!["(?)"; arguments].join(", ");
    let text = format!("SELECT count(*) AS n FROM (VALUES {list})");
    Read::bounded(vec![Statement { text: text.into(), args: vec![1.into(); arguments] }])
}

pub(crate) async fn a_hundred_arguments_fit_and_no_more(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    let results = f.0.read(query(100)).await.map_err(Failure::new)?;
    check_eq!(results[0][0].get::<i64>("n"), Ok(100));
    let refused = f.0.read(query(101)).await;
    check!(matches!(&refused, Err(SqlError::Statement(detail)) if detail.contains("101 arguments")), "{refused:?}");
    Ok(())
}

pub(crate) async fn long_text_of_a_statement_is_refused(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    let text = format!("SELECT '{}' AS long", "x".repeat(100_000));
    let refused = f.0.read(Read::bounded(vec![Statement { text: text.into(), args: vec![] }])).await;
    check!(matches!(&refused, Err(SqlError::Statement(detail)) if detail.contains("bytes")), "{refused:?}");
    Ok(())
}

pub(crate) async fn a_value_that_is_too_large_is_rejected(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    let long = "x".repeat(2_500_000);
    let long = Step::new(statement("INSERT INTO cells (text) VALUES (?)", vec![long.into()]));
    let error = f.error(vec![insert("a"), long]).await?;
    check!(matches!(error, SqlError::Rejected(_)), "{error}");
    check!(f.ids().await?.is_empty());
    Ok(())
}

pub(crate) async fn numbers_beyond_those_of_javascript_are_rejected(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    for value in [Value::from(1_i64 << 53), Value::from(i64::MIN), Value::from(u64::MAX), Value::from(f64::NAN)] {
        let number = Step::new(statement("INSERT INTO cells (int) VALUES (?)", vec![value]));
        let error = f.error(vec![number]).await?;
        check!(matches!(error, SqlError::Rejected(_)), "{error}");
    }
    Ok(())
}
