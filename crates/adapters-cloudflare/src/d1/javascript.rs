//! The binding of a Worker: calls become values of JavaScript, and answers text.

use async_trait::async_trait;
use worker::js_sys::{self, Array, JSON, Reflect, Uint8Array};
use worker::send::IntoSendFuture;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::worker_sys::types::D1Database;

use super::arguments::Argument;
use super::binding::Binding;
use super::call::Call;

#[async_trait]
impl Binding for worker::D1Database {
    async fn batch(&self, calls: &[Call<'_>]) -> Result<String, String> {
        // The one place where a future of JavaScript is declared to be `Send`: see the documentation of the crate.
        run(self, calls).into_send().await.map_err(|error| message(&error))
    }
}

async fn run(database: &worker::D1Database, calls: &[Call<'_>]) -> Result<String, JsValue> {
    // What the crate `worker` makes of errors and rows loses the message of the one and the order of the other.
    let database: &D1Database = database.as_ref().unchecked_ref();
    let statements = Array::new();
    for call in calls {
        let arguments: Array = call.arguments.iter().map(value).collect();
        let statement = database.prepare(&call.text)?.bind(arguments)?;
        statements.push(&statement.into());
    }
    let results: Array = JsFuture::from(database.batch(statements)?).await?.dyn_into()?;
    let name = JsValue::from_str("results");
    let rows = Array::new();
    for result in results.iter() {
        rows.push(&Reflect::get(&result, &name)?);
    }
    Ok(String::from(JSON::stringify(&rows)?))
}

fn value(argument: &Argument<'_>) -> JsValue {
    match argument {
        Argument::Null => JsValue::NULL,
        Argument::Number(number) => JsValue::from_f64(*number),
        Argument::Text(text) => JsValue::from_str(text),
        Argument::Bytes(bytes) => Uint8Array::from(*bytes).into(),
    }
}

fn message(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => error.as_string().unwrap_or_else(|| "D1 failed without a message".to_owned()),
    }
}
