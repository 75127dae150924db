//! The gateway is killed again and again while twenty sessions work, and nothing that it acknowledged is lost or done
//! twice.

mod ledger;
mod person;

use std::collections::BTreeSet;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::person::{Kept, Person};
use crate::harness::database::allow_sessions;
use crate::harness::gateway::Gateway;
use crate::harness::random::Random;
use crate::trials::Trials;

/// Sessions at once.
const SESSIONS: usize = 20;

/// How often the gateway is killed.
const KILLS: usize = 8;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("kills::what_was_acknowledged_is_kept_and_done_once", what_was_acknowledged_is_kept_and_done_once);
}

async fn what_was_acknowledged_is_kept_and_done_once() {
    let mut random = Random::seeded("kills");
    let mut gateway = Gateway::start("").await;
    gateway.stop().await;
    allow_sessions(&gateway, 100).await;
    gateway.launch().await;

    let begin = Instant::now();
    let (over, is_over) = watch::channel(false);
    let people: Vec<JoinHandle<Kept>> = (0..SESSIONS)
        .map(|number| tokio::spawn(Person::new(number, gateway.api(), random.split()).talk_until(is_over.clone())))
        .collect();
    for kill in 1..=KILLS {
        // The first time while sessions are being opened and sandboxes started.
        let pause = if kill == 1 { random.millis(50, 500) } else { random.millis(300, 2_200) };
        tokio::time::sleep(pause).await;
        gateway.kill9().await;
        tokio::time::sleep(random.millis(1, 300)).await;
        gateway.launch().await;
        println!("kills: {kill} before {:.1?}", begin.elapsed());
    }
    over.send_replace(true);
    let mut kept = Vec::new();
    for person in people {
        kept.push(person.await.unwrap());
    }
    let prompts: usize = kept.iter().map(|kept| kept.prompts.len()).sum();
    println!("kills: {prompts} prompts are answered after {:.1?}", begin.elapsed());

    let sessions: BTreeSet<&str> = kept.iter().map(|kept| kept.session.id.as_str()).collect();
    assert_eq!(sessions.len(), SESSIONS);
    let listed = gateway.api().get("/api/sessions?limit=100").await.expect(200);
    let listed: BTreeSet<&str> =
        listed["sessions"].as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap()).collect();
    assert_eq!(listed, sessions, "a session was opened twice");
    for kept in &kept {
        ledger::check(&gateway, kept).await;
    }
    for kept in &kept {
        kept.session.terminate().await;
    }
    gateway.no_descendants().await;
}
