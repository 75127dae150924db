//! The page that says where each operation is offered, and to whom.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs;

use crate::endpoint::{Endpoint, EndpointTable};
use crate::openapi::of_tables;
use crate::operation::OperationTable;
use crate::rest::own_rows;
use crate::row::{Row, permission_name};
use crate::rpc::describe;
use crate::surfaces::Surfaces;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");

/// Set to write the file.
const WRITE: &str = "PORTWAY_WRITE_OPERATIONS";

const HEAD: &str = "\
# Operations

What can be asked of a gateway, on which surface, and who may. A test compares this page with the tables in the source, and
writes it with `PORTWAY_WRITE_OPERATIONS=1 cargo test -p portway-api --lib -- the_page`. How to add an operation is told in
[adding-an-operation.md](adding-an-operation.md).

* **Permission**: `public` is for everybody, `signed-in` for whoever brings a valid token, `admin` for administrators.
  `session:…` is for those who take part in the session at least in that role; for others there is no such session.
* **Rate class**: the class whose limit a call counts against.
* **Key**: whether an idempotency key is kept, so that a repeated call gets the first answer.

## Operations

| operation | REST | JSON-RPC | MCP | command line | permission | rate class | key |
|---|---|---|---|---|---|---|---|
";

const ENDPOINTS: &str = "
## Endpoints

What is no plain call: sockets, event streams, files. They are offered over HTTP alone.

| endpoint | REST | permission | rate class |
|---|---|---|---|
";

fn page<S: Send + Sync + 'static>(operations: &OperationTable<S>, endpoints: &EndpointTable<S>) -> String {
    let mut page = HEAD.to_owned();
    for operation in operations.iter() {
        let (row, surfaces) = (operation.row(), operation.surfaces());
        let mark = |offered: bool| if offered { "yes" } else { "" };
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            if surfaces.contains(Surfaces::REST) { route(row) } else { String::new() },
            mark(surfaces.contains(Surfaces::RPC)),
            mark(surfaces.contains(Surfaces::MCP)),
            mark(surfaces.contains(Surfaces::CLI)),
            permission_name(row.permission),
            row.rate.as_str(),
            mark(operation.is_idempotent_by_key()),
        );
    }
    page.push_str(ENDPOINTS);
    for row in endpoints.iter().map(Endpoint::row) {
        let (permission, rate) = (permission_name(row.permission), row.rate.as_str());
        let _ = writeln!(page, "| `{}` | {} | {permission} | {rate} |", row.name, route(row));
    }
    page
}

fn route(row: &Row) -> String {
    format!("`{} {}`", row.method, row.path)
}

#[test]
fn the_page_is_what_the_tables_say() {
    let mut endpoints = crate::endpoints().unwrap();
    own_rows().into_iter().for_each(|row| endpoints.push(row));
    let page = page(&crate::operations().unwrap(), &endpoints);
    if env::var_os(WRITE).is_some() {
        fs::write(FILE, &page).unwrap();
    }
    assert!(fs::read_to_string(FILE).is_ok_and(|file| file == page), "docs/operations.md is old: set {WRITE}=1");
}

#[test]
fn every_method_describes_itself() {
    let (operations, endpoints) = (crate::operations().unwrap(), crate::endpoints().unwrap());
    let offered = |name: &str| operations.get(name).is_some_and(|row| row.surfaces().contains(Surfaces::RPC));
    let described = describe(&of_tables(&operations, &endpoints), offered);
    let names: BTreeSet<&str> =
        described["methods"].as_array().unwrap().iter().map(|method| method["name"].as_str().unwrap()).collect();
    let expected = operations.iter().map(|operation| operation.row().name).filter(|name| offered(name));
    assert_eq!(names, expected.collect());
}

#[test]
fn what_programs_may_call_people_may_too() {
    let operations = crate::operations().unwrap();
    for operation in operations.iter() {
        let surfaces = operation.surfaces();
        let is_everywhere = surfaces.contains(Surfaces::REST.and(Surfaces::RPC).and(Surfaces::CLI));
        // Probes come by address, without a word of JSON.
        let is_probe = operation.row().any_host && surfaces == Surfaces::REST;
        assert!(is_everywhere || is_probe, "{}", operation.row().name);
    }
}

#[test]
fn models_may_do_everything_but_what_would_free_them() {
    let operations = crate::operations().unwrap();
    let kept_back = operations.iter().filter(|operation| !operation.surfaces().contains(Surfaces::MCP));
    let names: Vec<&str> = kept_back.map(|operation| operation.row().name).collect();
    let expected = ["health", "ready", "auth.logout", "api_keys.create", "sessions.sandbox_token", "questions.answer"];
    assert_eq!(names, expected);
}
