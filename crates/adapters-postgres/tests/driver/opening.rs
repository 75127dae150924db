//! What a person is told whose database cannot be used.

use std::time::Duration;

use portway_adapters_postgres::{OpenError, PostgresDatabase, PostgresOptions};

use crate::fake_server::{fake_server, fatal, welcome};
use crate::scratch::Scratch;

/// Why it cannot be opened. Every text is one line and shows no password.
async fn refusal(options: &PostgresOptions) -> OpenError {
    let error = PostgresDatabase::open(options).await.unwrap_err();
    let shown = error.to_string();
    assert!(!shown.contains("hunter2") && !shown.contains('\n'), "{shown}");
    error
}

fn options(text: &str) -> PostgresOptions {
    text.parse().unwrap()
}

fn local(port: u16) -> PostgresOptions {
    options(&format!("postgres://ada:hunter2@127.0.0.1:{port}/portway?sslmode=disable"))
}

pub(crate) async fn nobody_listening_is_told() {
    let error = refusal(&local(1)).await;
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"));
}

pub(crate) async fn an_unknown_machine_is_told() {
    let error = refusal(&options("postgres://ada:hunter2@no-such-machine.invalid/portway")).await;
    assert!(matches!(error, OpenError::UnknownHost { .. }), "{error}");
    assert!(error.to_string().contains("no-such-machine.invalid"));
}

pub(crate) async fn a_missing_database_is_told() {
    let scratch = Scratch::create().await;
    let error = refusal(&scratch.options_in("no_such_database")).await;
    assert!(error.to_string().contains("createdb no_such_database"), "{error}");
    scratch.remove().await;
}

pub(crate) async fn a_refused_password_is_told_and_not_shown() {
    let refused = fatal("28P01", "password authentication failed for user \"ada\"");
    let error = refusal(&local(fake_server(vec![refused]).await)).await;
    assert!(matches!(&error, OpenError::Login { user, .. } if user == "ada"), "{error}");
}

pub(crate) async fn an_old_server_is_told() {
    let error = refusal(&local(fake_server(vec![welcome("12.22 (Debian 12.22-1)")]).await)).await;
    assert!(matches!(&error, OpenError::TooOld { version, .. } if version == "12.22"), "{error}");
}

pub(crate) async fn another_server_is_told() {
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"", b"220 ready\r\n"] {
        let port = fake_server(vec![answer.to_vec()]).await;
        let error = refusal(&local(port).connect_timeout(Duration::from_millis(500))).await;
        let is_told = matches!(error, OpenError::NoPostgres { .. } | OpenError::Unreachable { .. });
        assert!(is_told, "{error}");
    }
}

pub(crate) async fn a_server_that_starts_is_waited_for() {
    let starting = fatal("57P03", "the database system is starting up");
    let port = fake_server(vec![starting.clone(), starting.clone(), welcome("12.22")]).await;
    let error = refusal(&local(port)).await;
    assert!(matches!(error, OpenError::TooOld { .. }), "it came up: {error}");
    let port = fake_server(vec![starting]).await;
    let error = refusal(&local(port).connect_timeout(Duration::from_millis(300))).await;
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
}

pub(crate) async fn a_server_without_tls_is_told_where_it_is_demanded() {
    let port = fake_server(vec![b"N".to_vec()]).await;
    let demanded = format!("postgres://ada:hunter2@127.0.0.1:{port}/portway?sslmode=verify-full");
    let error = refusal(&options(&demanded)).await;
    assert!(matches!(error, OpenError::Tls { .. }), "{error}");
    assert!(error.to_string().contains("sslmode"), "{error}");
}

pub(crate) async fn a_missing_certificate_is_told() {
    let port = fake_server(vec![b"S".to_vec()]).await;
    let absent = format!("postgres://ada:hunter2@127.0.0.1:{port}/portway?sslmode=verify-ca&sslrootcert=/none.crt");
    let error = refusal(&options(&absent)).await;
    assert!(matches!(&error, OpenError::Tls { detail, .. } if detail.contains("certificate")), "{error}");
}

pub(crate) async fn a_missing_schema_is_told() {
    let scratch = Scratch::create().await;
    let error = refusal(&scratch.options().schema("no_such_schema")).await;
    assert!(matches!(error, OpenError::NoSchema { .. }), "{error}");
    scratch.remove().await;
}

pub(crate) async fn a_database_of_another_encoding_is_told() {
    let scratch = Scratch::create().await;
    let name = format!("{}_latin1", scratch.name);
    let create = format!("CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    scratch.run(&create).await;
    let error = refusal(&scratch.options_in(&name)).await;
    assert!(matches!(&error, OpenError::Encoding { encoding, .. } if encoding == "LATIN1"), "{error}");
    scratch.run(&format!("DROP DATABASE {name}")).await;
    scratch.remove().await;
}
