//! The binding of a Worker: calls become values of JavaScript, and answers text.

use std::cell::RefCell;
use std::collections::HashMap;

use async_trait::async_trait;
use worker::js_sys::{self, Array, Uint8Array};
use worker::send::{IntoSendFuture, SendWrapper};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::worker_sys::types::{D1Database, D1PreparedStatement};

use super::arguments::Argument;
use super::binding::Binding;
use super::call::Call;
use super::texts::MAX_REMEMBERED;

#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, module = "/src/d1/rows.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn write(results: &Array) -> Result<String, JsValue>;
}

/// The binding, and the statements that were prepared with it before.
pub(crate) struct JavaScript {
    database: worker::D1Database,
    prepared: SendWrapper<RefCell<HashMap<String, D1PreparedStatement>>>,
}

impl JavaScript {
    pub(crate) fn new(database: worker::D1Database) -> Self {
        Self { database, prepared: SendWrapper::new(RefCell::default()) }
    }

    async fn run(&self, calls: &[Call<'_>]) -> Result<String, JsValue> {
        // What the crate `worker` makes of errors and rows loses the message of the one and the order of the other.
        let database: &D1Database = self.database.as_ref().unchecked_ref();
        let statements = Array::new();
        for call in calls {
            let arguments: Array = call.arguments.iter().map(value).collect();
            statements.push(&self.prepare(database, &call.text)?.bind(arguments)?.into());
        }
        let results: Array = JsFuture::from(database.batch(statements)?).await?.dyn_into()?;
        write(&results)
    }

    fn prepare(&self, database: &D1Database, text: &str) -> Result<D1PreparedStatement, JsValue> {
        let mut prepared = self.prepared.borrow_mut();
        if let Some(statement) = prepared.get(text) {
            return Ok(statement.clone());
        }
        let statement = database.prepare(text)?;
        if prepared.len() >= MAX_REMEMBERED {
            prepared.clear();
        }
        prepared.insert(text.to_owned(), statement.clone());
        Ok(statement)
    }
}

#[async_trait]
impl Binding for JavaScript {
    async fn batch(&self, calls: &[Call<'_>]) -> Result<String, String> {
        // The one place where a future of JavaScript is declared to be `Send`: see the documentation of the crate.
        self.run(calls).into_send().await.map_err(|error| message(&error))
    }
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
