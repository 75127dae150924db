//! An axum application with a gateway in it: `cargo run --example embed`.
//!
//! The application has a route of its own, and everything else goes to the gateway. It opens a session with the demo agent
//! over the gateway's API, shows what the agent says as it says it, and ends.
#![expect(clippy::print_stdout, reason = "an example shows what it does on the terminal")]

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use portway::Gateway;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tower::ServiceExt;
use tower::util::MapRequestLayer;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    // The gateway starts this very program beside each agent; such a child is something else than the application.
    if let Some(code) = portway::run_if_child() {
        return code;
    }
    match application() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn application() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;

    let gateway = Gateway::builder().data_folder(folder.path()).gateway_address(address).build().await?;
    let key = gateway.first_key().ok_or("the folder was used before")?.reveal().to_owned();
    let work = tokio::spawn(gateway.run());

    let app = Router::new()
        .route("/hello", get(async || "hello from the application"))
        .fallback_service(gateway.service())
        .layer(MapRequestLayer::new(portway::note_peer));
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, app.clone().into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move { drop(stopped.await) });
    let server = tokio::spawn(server.into_future());

    let outcome = use_it(&app, address, &key).await;

    // Whatever came of it: agents outlive a gateway that does not stop them.
    let _ = stop.send(());
    server.await??;
    gateway.stop().await;
    work.await?;
    outcome
}

async fn use_it(app: &Router, address: SocketAddr, key: &str) -> Outcome<()> {
    println!("GET /hello: {}", hello(app).await?);
    let session = open_session(app, key).await?;
    let answer = talk(address, &session, key).await?;
    if answer == "streamed by an embedded gateway" {
        Ok(())
    } else {
        Err(format!("the agent said something else: {answer:?}").into())
    }
}

/// Asks the application for its own page.
async fn hello(app: &Router) -> Outcome<String> {
    let response = app.clone().oneshot(Request::get("/hello").body(Body::empty())?).await?;
    Ok(String::from_utf8(to_bytes(response.into_body(), 1024).await?.to_vec())?)
}

/// Opens a session over the gateway's API. Answers its id.
async fn open_session(app: &Router, key: &str) -> Outcome<String> {
    let new = json!({"workspace": "example", "agent": "demo"});
    let request = Request::post("/api/sessions")
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(new.to_string()))?;
    let response = app.clone().oneshot(request).await?;
    let status = response.status();
    let body: Value = serde_json::from_slice(&to_bytes(response.into_body(), 64 * 1024).await?)?;
    if status != StatusCode::CREATED {
        return Err(format!("no session was opened: {status} {body}").into());
    }
    Ok(body["session"]["id"].as_str().ok_or("a session without an id")?.to_owned())
}

/// Says something over the session's socket, prints the answer as it comes, and returns it once it is complete.
async fn talk(address: SocketAddr, session: &str, key: &str) -> Outcome<String> {
    let mut request = format!("ws://{address}/api/sessions/{session}/ws?role=client").into_client_request()?;
    request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {key}").parse()?);
    let (mut socket, _) = connect_async(request).await?;
    let prompt = json!({"type": "prompt", "content": "/say streamed by an embedded gateway"});
    socket.send(Message::text(prompt.to_string())).await?;
    print!("the demo agent: ");
    let mut shown = String::new();
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        let frame: Value = serde_json::from_str(&text)?;
        match frame["type"].as_str().unwrap_or_default() {
            "chunk" => {
                let text = frame["content"].as_str().unwrap_or_default();
                shown.push_str(text);
                print!("{text}");
                std::io::stdout().flush()?;
            }
            "message.updated" if is_finished(&frame["data"]) => {
                println!();
                return Ok(shown);
            }
            "error" => return Err(frame["message"].to_string().into()),
            _ => {}
        }
    }
    Err("the socket was closed early".into())
}

fn is_finished(message: &Value) -> bool {
    message["parts"].as_array().into_iter().flatten().any(|part| part["type"] == "finish")
}
