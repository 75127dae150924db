//! A gateway with its database on a Postgres server, and servers that it cannot use.

use crate::doctor;
use crate::harness::gateway::Gateway;
use crate::harness::postgres::{POSTGRES, Schema, Server};
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add_for(POSTGRES, "postgres::sessions_outlive_the_gateway", sessions_outlive_the_gateway);
    trials.add_for(POSTGRES, "postgres::what_cannot_be_used_is_told_in_a_line", what_cannot_be_used_is_told_in_a_line);
    trials.add_for(POSTGRES, "postgres::the_file_may_name_it", the_file_may_name_it);
    trials.add_for(POSTGRES, "postgres::a_server_that_goes_away_comes_back", a_server_that_goes_away_comes_back);
    trials.add_for(POSTGRES, "postgres::the_doctor_looks_at_it", the_doctor_looks_at_it);
}

async fn sessions_outlive_the_gateway(server: Server) {
    let mut gateway = Gateway::prepared("").on_server(server);
    gateway.launch().await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say first", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "first");
    // Once in order, and once as in a power failure: the runner goes on and is taken over.
    for (text, crash) in [("second", false), ("third", true)] {
        if crash {
            gateway.kill9().await;
            gateway.launch().await;
        } else {
            gateway.restart().await;
        }
        let mut socket = session.socket().await;
        let prompt = socket.prompt(&format!("/say {text}"), None).await;
        assert_eq!(socket.answer_to(&prompt).await.content, text);
    }
    assert!(!gateway.data().join("portway.db").exists(), "nothing is kept in a file");
    gateway.stop().await;
}

async fn what_cannot_be_used_is_told_in_a_line(server: Server) {
    let elsewhere = |place: &str| format!("postgres://ada:hunter2@{place}");
    let missing = server.with(|url| format!("{}/no_such_database", url.rsplit_once('/').unwrap().0));
    let password = server.password();
    let mut cases = vec![
        (elsewhere("127.0.0.1:1/portway"), &["127.0.0.1:1", "cannot be reached"][..]),
        (elsewhere("no-such-machine.invalid/portway"), &["no-such-machine.invalid", "cannot be found"]),
        (elsewhere("127.0.0.1:port/portway"), &["DATABASE_URL", "cannot be read"]),
        (elsewhere("127.0.0.1/portway?sslmod=require"), &["DATABASE_URL", "sslmod"]),
        (missing, &["no_such_database", "createdb"]),
        (server.with(|url| format!("{url}?sslmode=require")), &["encrypted connection", "sslmode"]),
        ("mysql://ada:hunter2@127.0.0.1/portway".to_owned(), &["DATABASE_URL", "\"mysql\"", "postgres://"]),
    ];
    if let Some(password) = &password {
        let wrong = server.with(|url| url.replace(&format!(":{password}@"), ":hunter2@"));
        cases.push((wrong, &["refuses the user", "password"]));
    }
    for (url, words) in cases {
        let mut gateway = Gateway::prepared("").on_file().with_arguments(&["--database", &url]);
        let refused = gateway.try_launch().await.expect_err(&url);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        let lines: Vec<&str> = refused.stderr.lines().filter(|line| line.starts_with("portway: ")).collect();
        assert_eq!(lines.len(), 1, "{refused:?}");
        for word in words {
            assert!(lines[0].contains(word), "{word}: {refused:?}");
        }
        for password in password.as_deref().into_iter().chain(["hunter2"]) {
            assert!(!refused.stderr.contains(password), "{refused:?}");
        }
        assert!(!refused.stderr.contains("panicked"), "{refused:?}");
    }
}

async fn the_file_may_name_it(server: Server) {
    let schema = Schema::create(server).await;
    let mut gateway = Gateway::prepared(&format!("database = \"{}\"\n", schema.url())).on_file();
    gateway.launch().await;
    gateway.api().get("/api/auth/me").await.expect(200);
    assert!(!gateway.data().join("portway.db").exists());
    gateway.stop().await;
}

async fn a_server_that_goes_away_comes_back(server: Server) {
    let mut gateway = Gateway::prepared("").on_server(server);
    gateway.launch().await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    for number in 0..3 {
        let prompt = socket.prompt(&format!("/say {number}"), None).await;
        assert_eq!(socket.answer_to(&prompt).await.content, number.to_string());
        // All connections end at once, as in a restart of the server.
        let schema = gateway.schema().unwrap();
        schema.end_connections().await;
        gateway.api().get("/ready").await.expect(200);
    }
}

async fn the_doctor_looks_at_it(server: Server) {
    let mut gateway = Gateway::prepared("").on_server(server);
    std::fs::set_permissions(gateway.data(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    gateway.launch().await;
    gateway.api().demo_session().await.reaches("running").await;
    let url = gateway.schema().unwrap().url();
    let listen = gateway.address().to_string();
    let found = doctor::examine(&gateway.data(), &["--listen", &listen, "--database", &url]);
    let fine = found.messages("fine").join("\n");
    for part in ["can be reached", "its schema is that of this program", "1 running", "1 runners live"] {
        assert!(fine.contains(part), "{part} is not in\n{}", found.text);
    }
    // On a busy machine that takes long enough for a note.
    assert!(found.text.contains("it answers after"), "{}", found.text);
    // The server of the tests is in a hurry.
    found.assert_told("problem", "database", "fsync");
    let absent = doctor::examine(&gateway.data(), &["--database", "postgres://ada:hunter2@127.0.0.1:1/portway"]);
    absent.assert_told("problem", "database", "cannot be reached");
    assert!(!absent.text.contains("hunter2"), "{}", absent.text);
    let fresh = Schema::create(gateway.server().unwrap().clone()).await;
    let fresh = doctor::examine(&gateway.data().join("none"), &["--database", &fresh.url()]);
    fresh.assert_told("note", "database", "migrations are to be run");
    gateway.stop().await;
}
