//! Callers that are gone before they are answered.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use portway_api::ApiOptions;
use portway_ports::system::{Spawner, Task};
use tokio::task::JoinHandle;

use crate::fixture::{Gate, Gateway, options, signed_in};

/// Starts tasks, and knows them.
#[derive(Default)]
pub(crate) struct Tasks(Mutex<Vec<JoinHandle<()>>>);

impl Tasks {
    /// How many were started, but for those that were waited for.
    pub(crate) fn started(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Waits for the end of those so far.
    pub(crate) async fn ended(&self) {
        let tasks = std::mem::take(&mut *self.0.lock().unwrap());
        for task in tasks {
            task.await.unwrap();
        }
    }
}

impl Spawner for Tasks {
    #[expect(clippy::disallowed_methods, reason = "tests run on tokio")]
    fn spawn(&self, task: Task) {
        self.0.lock().unwrap().push(tokio::spawn(task));
    }
}

/// A gateway, and the tasks that it starts.
pub(crate) fn gateway() -> (Gateway, Arc<Tasks>) {
    let tasks = Arc::<Tasks>::default();
    (Gateway::with(ApiOptions { spawner: tasks.clone(), ..options() }), tasks)
}

/// Sends a request and hangs up once somebody waits at the gate.
pub(crate) async fn hang_up_at<T>(gate: &Gate, request: impl Future<Output = T>) {
    let request = pin!(request);
    tokio::select! {
        _ = request => panic!("it is answered"),
        () = gate.reached() => {}
    }
}

#[tokio::test]
async fn what_changes_something_is_carried_out_when_its_caller_is_gone() {
    let calls = r#"{"jsonrpc":"2.0","id":1,"method":"notes.edit","params":{"id":"held"}}"#;
    for (method, path, body) in [("PUT", "/api/notes/held", "{}"), ("POST", "/rpc", calls)] {
        let (gateway, tasks) = gateway();
        hang_up_at(&gateway.state.gate, gateway.call(method, path, body)).await;
        assert_eq!(tasks.started(), 1, "{path}");
        gateway.state.gate.open();
        tasks.ended().await;
    }
}

#[tokio::test]
async fn what_is_read_ends_with_its_caller() {
    let (gateway, tasks) = gateway();
    let read = signed_in("GET", "/api/notes").body(Body::empty()).unwrap();
    assert_eq!(gateway.send(read).await.status(), 200);
    assert_eq!(tasks.started(), 0);
}
