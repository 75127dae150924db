use std::sync::atomic::Ordering;
use std::time::Duration;

use portway_domain::engine::{Event, Link};
use portway_domain::ids::NodeId;
use portway_domain::jobs::LEASE;
use portway_domain::sessions::SessionStatus;
use portway_domain::tokens::{TokenHash, TokenSecret};
use portway_ports::sandboxes::{AgentCommand, SandboxOrder, Sandboxes};
use portway_ports::system::Clock;

use super::world::{World, settled};
use crate::nodes::NODE_LEASE;
use crate::prompts::NewPrompt;
use crate::recovery::Tenancy;

fn say(text: &str) -> NewPrompt {
    NewPrompt { content: text.to_owned(), ..NewPrompt::default() }
}

#[tokio::test]
async fn a_living_sandbox_gets_time_to_come_back() {
    let world = World::new().await;
    let id = world.open_ready().await;
    world.services.recover(Tenancy::Alone).await.unwrap();
    let engine = world.engine(&id).await;
    assert!(matches!(engine.runner.link, Link::Lost { .. }));
    assert!(world.services.wants_sandbox(&id, 1).await.unwrap());
    assert!(!world.services.wants_sandbox(&id, 2).await.unwrap());
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(world.services.ask_due_sessions().await, Ok(1));
    let engine = world.engine(&id).await;
    assert_eq!(engine.runner.link, Link::None);
}

#[tokio::test]
async fn a_sandbox_that_was_never_started_is_waited_for() {
    let world = World::new().await;
    let session = world.open().await;
    world.services.ask_due_sessions().await.unwrap();
    // The job of starting it was never done: the session keeps waiting for it.
    world.services.recover(Tenancy::Alone).await.unwrap();
    let engine = world.engine(&session.id).await;
    assert!(matches!(engine.runner.link, Link::Starting { .. }));
}

#[tokio::test]
async fn a_sandbox_whose_start_was_not_recorded_is_kept() {
    let world = World::new().await;
    let session = world.open().await;
    // The earlier gateway was killed after it started the runner and before it wrote that down.
    let token = TokenSecret::runner([7; 32]);
    let prepared = Event::SandboxPrepared { generation: 1, node: world.node(), token: token.hash() };
    world.services.apply(&session.id, vec![prepared], Vec::new(), world.services.moment()).await.unwrap();
    let agent = AgentCommand::new(["agent"]);
    let order = SandboxOrder {
        session: session.id.clone(),
        owner: session.owner.clone(),
        generation: 1,
        agent_name: "agent".to_owned(),
        agent,
        directory: None,
        token: token.clone(),
        key: None,
        agent_session: None,
        snapshot: None,
    };
    world.sandboxes.start(order).await.unwrap();
    world.services.recover(Tenancy::Alone).await.unwrap();
    world.start_jobs();
    while world.services.has_work().await.unwrap() {
        tokio::task::yield_now().await;
    }
    let detail = world.services.session(&world.as_owner(), &session.id).await.unwrap();
    assert_eq!(detail.session.status, SessionStatus::Running);
    assert_eq!(world.sandboxes.orders.load(Ordering::SeqCst), 1, "it was not started again");
    assert_eq!(
        world.services.admit_runner(&session.id, &token.hash()).await,
        Ok(()),
        "its secret is still the right one"
    );
    world.connect(&session.id, 1).await;
}

#[tokio::test]
async fn a_stopped_gateway_leaves_sessions_that_go_on() {
    let world = World::new().await;
    let id = world.open_ready().await;
    world.services.prompt(&world.as_owner(), &id, say("first")).await.unwrap();
    world.services.commands_taken(&id, 1, 1).await.unwrap();
    world.services.prompt(&world.as_owner(), &id, say("second")).await.unwrap();
    world.services.retire_sandboxes(Tenancy::Alone).await.unwrap();
    world.sandboxes.gone(&id, 1).await;
    let detail = world.services.session(&world.as_owner(), &id).await.unwrap();
    assert_eq!(detail.session.status, SessionStatus::Running);
    assert_eq!(detail.facts.queued, 1);
    assert!(!detail.facts.busy);
    // The next start: the prompt that waits gets a new sandbox.
    world.services.recover(Tenancy::Alone).await.unwrap();
    assert_eq!(world.services.ask_due_sessions().await, Ok(1));
    world.sandboxes.started(&id, 2).await;
}

#[tokio::test]
async fn a_sandbox_that_starts_while_its_node_leaves_is_put_away() {
    let world = World::new().await;
    let session = world.open().await;
    world.services.retire_sandboxes(Tenancy::Shared).await.unwrap();
    world.start_jobs();
    while world.services.wants_sandbox(&session.id, 1).await.unwrap() {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.engine(&session.id).await.runner.node, Some(world.node()), "it was started");
    world.sandboxes.gone(&session.id, 1).await;
}

#[tokio::test]
async fn leases_of_other_nodes_stay_theirs() {
    let world = World::new().await;
    world.open().await;
    world.services.ask_due_sessions().await.unwrap();
    let now = world.services.moment().now;
    let until = now.plus(Duration::from_secs(60));
    assert_eq!(world.store.claim_jobs(&world.node(), now, until, 10).await.unwrap().len(), 1);
    world.neighbour().services.recover(Tenancy::Shared).await.unwrap();
    assert_eq!(world.next_job_at().await, Some(until));
    world.again().services.recover(Tenancy::Shared).await.unwrap();
    assert_eq!(world.next_job_at().await, Some(now), "the lease was its own before it was started again");
    assert_eq!(world.store.claim_jobs(&world.neighbour().node(), now, until, 10).await.unwrap().len(), 1);
    world.services.recover(Tenancy::Alone).await.unwrap();
    assert_eq!(world.next_job_at().await, Some(now), "alone on the store, whoever else had one is gone");
}

#[tokio::test]
async fn sandboxes_of_other_nodes_stay_theirs() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let neighbour = world.neighbour();
    neighbour.services.recover(Tenancy::Shared).await.unwrap();
    neighbour.services.retire_sandboxes(Tenancy::Shared).await.unwrap();
    assert!(matches!(world.engine(&id).await.runner.link, Link::Connected { .. }));
    assert!(world.sandboxes.lives(&id, 1));
}

#[tokio::test]
async fn what_was_on_this_node_is_taken_over_though_the_store_is_shared() {
    let world = World::new().await;
    let [living, dead] = [world.open_ready().await, world.open_ready().await];
    let restarted = world.again();
    restarted.sandboxes.inherit(&living, 1, true);
    restarted.sandboxes.inherit(&dead, 1, false);
    restarted.services.recover(Tenancy::Shared).await.unwrap();
    assert!(matches!(world.engine(&living).await.runner.link, Link::Lost { .. }));
    assert_eq!(world.engine(&dead).await.runner.link, Link::None);
    restarted.services.retire_sandboxes(Tenancy::Shared).await.unwrap();
    assert!(!world.services.wants_sandbox(&living, 1).await.unwrap());
}

#[tokio::test]
async fn a_runner_of_a_node_that_is_gone_has_time_to_come_back() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let neighbour = world.neighbour();
    let now = world.services.moment().now;
    world.store.be_there(&world.node(), now.plus(NODE_LEASE)).await.unwrap();
    neighbour.services.take_over(now).await.unwrap();
    assert!(world.engine(&id).await.is_connected(), "the node is there");
    neighbour.services.take_over(now.plus(NODE_LEASE)).await.unwrap();
    assert!(matches!(neighbour.engine(&id).await.runner.link, Link::Lost { .. }));
    // A prompt waits; it is for the node to say what became of the runner, or for time.
    neighbour.services.prompt(&neighbour.as_owner(), &id, say("go on")).await.unwrap();
    neighbour.clock.advance(Duration::from_secs(31));
    assert_eq!(neighbour.services.ask_due_sessions().await, Ok(1));
    neighbour.start_jobs();
    neighbour.sandboxes.started(&id, 2).await;
    while neighbour.services.has_work().await.unwrap() {
        tokio::task::yield_now().await;
    }
    assert_eq!(neighbour.engine(&id).await.runner.node, Some(neighbour.node()));
    assert!(world.sandboxes.lives(&id, 1), "nobody else can reach it");
    assert!(!world.services.wants_sandbox(&id, 2).await.unwrap(), "it is on the other node");
}

#[tokio::test]
async fn a_sandbox_that_a_node_left_half_started_is_started_anew() {
    let world = World::new().await;
    let id = world.open().await.id;
    let now = world.services.moment().now;
    assert_eq!(world.store.claim_jobs(&world.node(), now, now.plus(LEASE), 10).await.unwrap().len(), 1);
    let prepared = Event::SandboxPrepared { generation: 1, node: world.node(), token: TokenHash::of("x") };
    world.services.apply(&id, vec![prepared], Vec::new(), world.services.moment()).await.unwrap();
    world.store.be_there(&world.node(), now).await.unwrap();
    let neighbour = world.neighbour();
    neighbour.services.take_over(now).await.unwrap();
    neighbour.start_jobs();
    neighbour.sandboxes.started(&id, 2).await;
    assert_eq!(neighbour.engine(&id).await.runner.generation, 2);
}

#[tokio::test]
async fn a_sandbox_is_stopped_where_it_is() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let neighbour = world.neighbour();
    let now = world.services.moment().now;
    world.store.be_there(&world.node(), now.plus(NODE_LEASE)).await.unwrap();
    neighbour.start_jobs();
    neighbour.services.terminate_session(&neighbour.as_owner(), &id).await.unwrap();
    world.sandboxes.gone(&id, 1).await;
}

#[tokio::test]
async fn a_node_that_was_away_stops_what_ended_meanwhile() {
    let world = World::new().await;
    let id = world.open_ready().await;
    world.sandboxes.inherit(&id, 7, true);
    let node = world.services.clone().run_node();
    let story = async {
        while !world.store.has_other_nodes(&world.neighbour().node(), world.clock.now()).await.unwrap() {
            tokio::task::yield_now().await;
        }
        settled().await;
        assert!(world.sandboxes.lives(&id, 7), "it is not looked for all the time");
        world.clock.advance(NODE_LEASE);
        world.sandboxes.gone(&id, 7).await;
        assert!(world.sandboxes.lives(&id, 1));
    };
    tokio::select! {
        () = node => {}
        () = story => {}
    }
}

#[tokio::test]
async fn a_node_that_enters_keeps_what_only_it_can_do() {
    let world = World::new().await;
    let id = world.open().await.id;
    let now = world.services.moment().now;
    let claim = async |node: NodeId| world.store.claim_jobs(&node, now, now.plus(LEASE), 10).await.unwrap().len();
    assert_eq!(claim(world.node()).await, 1);
    let prepared = Event::SandboxPrepared { generation: 1, node: world.node(), token: TokenHash::of("x") };
    world.services.apply(&id, vec![prepared], Vec::new(), world.services.moment()).await.unwrap();
    let neighbour = world.neighbour();
    world.services.enter_node().await.unwrap();
    neighbour.services.terminate_session(&neighbour.as_owner(), &id).await.unwrap();
    assert_eq!(claim(neighbour.node()).await, 0);
    assert_eq!(claim(world.node()).await, 1);
}

#[tokio::test]
async fn a_sandbox_that_nobody_can_ask_about_gets_time_to_come_back() {
    let world = World::new().await;
    let [first, second] = [world.open_ready().await, world.open_ready().await];
    world.sandboxes.is_unreachable.store(true, Ordering::SeqCst);
    world.services.recover(Tenancy::Alone).await.unwrap();
    for id in [&first, &second] {
        assert!(matches!(world.engine(id).await.runner.link, Link::Lost { .. }));
    }
}

#[tokio::test]
async fn a_sandbox_that_all_nodes_reach_is_left_to_the_one_that_started_it() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let neighbour = world.neighbour();
    neighbour.sandboxes.are_elsewhere.store(true, Ordering::SeqCst);
    neighbour.sandboxes.inherit(&id, 1, true);
    neighbour.services.recover(Tenancy::Shared).await.unwrap();
    assert!(world.engine(&id).await.is_connected());
    neighbour.services.retire_sandboxes(Tenancy::Shared).await.unwrap();
    assert!(world.engine(&id).await.is_connected());
    world.sandboxes.are_elsewhere.store(true, Ordering::SeqCst);
    world.services.recover(Tenancy::Shared).await.unwrap();
    assert!(matches!(world.engine(&id).await.runner.link, Link::Lost { .. }));
}

#[tokio::test]
async fn a_sandbox_that_nobody_watches_is_asked_about_when_its_runner_is_away() {
    let world = World::new().await;
    world.sandboxes.are_unwatched.store(true, Ordering::SeqCst);
    let id = world.open_ready().await;
    world.services.prompt(&world.as_owner(), &id, say("go on")).await.unwrap();
    world.sandboxes.kill(&id, 1);
    settled().await;
    assert!(world.engine(&id).await.is_connected(), "nobody knows yet");
    world.services.runner_disconnected(&id, 1, "connection 1".to_owned()).await;
    // There is a new one before the time is over that a runner has.
    world.sandboxes.started(&id, 2).await;
}

#[tokio::test]
async fn a_runner_that_does_not_come_back_to_its_host_counts_as_disconnected() {
    let world = World::new().await;
    let session = world.open().await;
    let patience = Duration::from_secs(5);
    world.services.await_runner(&session.id, patience).await.unwrap();
    assert!(!matches!(world.engine(&session.id).await.runner.link, Link::Lost { .. }), "there was none");
    let id = world.open_ready().await;
    world.services.await_runner(&id, patience).await.unwrap();
    assert!(matches!(world.engine(&id).await.runner.link, Link::Lost { .. }));
}
