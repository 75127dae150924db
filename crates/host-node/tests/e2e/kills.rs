//! Gateway, runners, agents and clients are killed again and again while many sessions work. Nothing that was acknowledged is lost
//! or done twice, and no session stands still. So it is when one of two gateways dies for good.

mod casualties;
mod ledger;
mod person;

use std::collections::BTreeSet;
use std::iter;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::casualties::{Casualties, Victim};
use self::person::{Kept, Person};
use crate::harness::database::allow_sessions;
use crate::harness::eventually;
use crate::harness::gateway::Gateway;
use crate::harness::host::is_worker;
use crate::harness::postgres::Server;
use crate::harness::random::Random;
use crate::trials::Trials;

/// What happens in a round.
struct Scale {
    /// Sessions at once.
    sessions: usize,
    /// How often the gateway is killed.
    gateways: usize,
    /// How many runners are killed, and how many agents and clients, besides those that die while the gateway is gone.
    others: usize,
}

const SCALE: Scale = Scale { sessions: 50, gateways: 8, others: 14 };

/// For a host that takes long to start.
const SMALL_SCALE: Scale = Scale { sessions: 20, gateways: 4, others: 6 };

/// Sessions that are opened on each of two gateways.
const EACH: usize = 6;

/// How often all of it happens, each time with other choices; for a longer look than the suite has time for.
const ROUNDS: &str = "PORTWAY_TEST_KILL_ROUNDS";

pub(crate) fn add(trials: &mut Trials) {
    trials.add("kills::what_was_acknowledged_is_kept_and_done_once", what_was_acknowledged_is_kept_and_done_once);
}

async fn what_was_acknowledged_is_kept_and_done_once() {
    let rounds = std::env::var(ROUNDS).map_or(1, |text| text.parse().expect(ROUNDS));
    let mut random = Random::seeded("kills");
    for _ in 0..rounds {
        round(&mut random).await;
    }
}

async fn round(random: &mut Random) {
    let mut gateway = Gateway::start("").await;
    gateway.stop().await;
    allow_sessions(&gateway, 100).await;
    gateway.launch().await;

    let begin = Instant::now();
    let casualties = Arc::new(Casualties::default());
    let (over, is_over) = watch::channel(false);
    let scale = if is_worker() { SMALL_SCALE } else { SCALE };
    let people: Vec<JoinHandle<Kept>> = (0..scale.sessions)
        .map(|number| {
            let person = Person::new(number, gateway.api(), gateway.api(), random.split(), Arc::clone(&casualties));
            tokio::spawn(person.talk_until(is_over.clone()))
        })
        .collect();
    for (number, victim) in plan(&scale, random).into_iter().enumerate() {
        // The first time while sessions are being opened and sandboxes started.
        tokio::time::sleep(random.millis(20, 350)).await;
        match victim {
            Victim::Gateway => replace(&mut gateway, &casualties, random).await,
            other => casualties.kill(&gateway, other, random).await,
        }
        println!("kills: {}. {victim:?} before {:.1?}", number + 1, begin.elapsed());
    }
    over.send_replace(true);
    let mut kept = Vec::new();
    for person in people {
        kept.push(person.await.unwrap());
    }
    let prompts: usize = kept.iter().map(|kept| kept.prompts.len()).sum();
    println!("kills: {prompts} prompts are answered after {:.1?}", begin.elapsed());
    check(&[&gateway], &kept, &casualties).await;
}

/// About half of the sessions have their agents beside the one that dies; everybody talks to the other one.
pub(crate) async fn one_of_two_gateways_dies(server: Server) {
    let mut random = Random::seeded("one of two");
    let config = "[timeouts]\nreconnect = 3\n";
    let mut dying = Gateway::prepared(config).on_server(server);
    dying.launch().await;
    dying.stop().await;
    allow_sessions(&dying, 100).await;
    dying.launch().await;
    let mut other = Gateway::prepared(config).beside(&dying);
    other.launch().await;

    let casualties = Arc::new(Casualties::default());
    let (over, is_over) = watch::channel(false);
    let people: Vec<JoinHandle<Kept>> = (0..2 * EACH)
        .map(|number| {
            let home = if number % 2 == 0 { dying.api() } else { other.api() };
            let person = Person::new(number, home, other.api(), random.split(), Arc::clone(&casualties));
            tokio::spawn(person.talk_until(is_over.clone()))
        })
        .collect();
    let working = async || {
        // A session usually begins where it was opened, but each gateway may start any.
        let working = [casualties.working(&dying).len(), casualties.working(&other).len()];
        (working.iter().sum::<usize>() == 2 * EACH && !working.contains(&0)).then_some(())
    };
    eventually("all agents are at work", working).await;
    tokio::time::sleep(random.millis(20, 350)).await;
    casualties.lose_runners(&dying);
    dying.kill9().await;
    let begin = Instant::now();
    eventually("all sessions are at the other gateway", async || {
        (casualties.working(&other).len() == 2 * EACH).then_some(())
    })
    .await;
    println!("kills: the other gateway has all sessions after {:.1?}", begin.elapsed());
    over.send_replace(true);
    let mut kept = Vec::new();
    for person in people {
        kept.push(person.await.unwrap());
    }
    check(&[&other, &dying], &kept, &casualties).await;
}

/// Whom to kill, in an order that begins with the gateway.
fn plan(scale: &Scale, random: &mut Random) -> Vec<Victim> {
    let others = [Victim::Runner, Victim::Agent, Victim::Client];
    let mut rest: Vec<Victim> = others.into_iter().flat_map(|victim| iter::repeat_n(victim, scale.others)).collect();
    rest.extend(iter::repeat_n(Victim::Gateway, scale.gateways - 1));
    let mut plan = vec![Victim::Gateway];
    while !rest.is_empty() {
        plan.push(rest.swap_remove(random.index(rest.len())));
    }
    plan
}

/// Kills the gateway and starts it again. Sometimes somebody else dies while it is gone.
async fn replace(gateway: &mut Gateway, casualties: &Casualties, random: &mut Random) {
    gateway.kill9().await;
    match random.below(4) {
        0 => casualties.try_kill(gateway, Victim::Runner, random).await,
        1 => casualties.try_kill(gateway, Victim::Agent, random).await,
        _ => false,
    };
    tokio::time::sleep(random.millis(1, 300)).await;
    gateway.launch().await;
}

/// `gateways`: the one that lives, and others before it.
async fn check(gateways: &[&Gateway], kept: &[Kept], casualties: &Casualties) {
    let gateway = gateways[0];
    let sessions: BTreeSet<&str> = kept.iter().map(|kept| kept.session.id.as_str()).collect();
    assert_eq!(sessions.len(), kept.len());
    let listed = gateway.api().get("/api/sessions?limit=100").await.expect(200);
    let listed: BTreeSet<&str> =
        listed["sessions"].as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap()).collect();
    assert_eq!(listed, sessions, "a session was opened twice");
    let mut broken = 0;
    for kept in kept {
        broken += ledger::check(gateways, kept, casualties.of(&kept.session.id)).await;
    }
    println!("kills: {broken} prompts were lost with their agent");
    let begin = Instant::now();
    for kept in kept {
        kept.session.terminate().await;
    }
    gateway.no_descendants().await;
    println!("kills: all is ended within {:.1?}", begin.elapsed());
}
