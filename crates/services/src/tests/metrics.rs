use std::time::Duration;

use portway_domain::sessions::SessionStatus;
use portway_ports::sandboxes::SandboxError;

use super::world::World;
use crate::metrics::{Census, Totals};
use crate::prompts::NewPrompt;

#[tokio::test]
async fn a_census_counts_sessions_turns_and_prompts() {
    let world = World::new().await;
    assert_eq!(world.services.census().await.unwrap(), Census::default());
    let id = world.open_ready().await;
    world.open().await;
    for _ in 0..3 {
        let say = NewPrompt { content: "hello".to_owned(), ..NewPrompt::default() };
        world.services.prompt(&world.as_owner(), &id, say).await.unwrap();
    }
    assert_eq!(world.services.census().await.unwrap(), Census::default(), "an answer is good for some seconds");
    world.clock.advance(Duration::from_secs(5));
    let census = world.services.census().await.unwrap();
    assert_eq!((census.turns, census.queued_prompts), (1, 2));
    let mut sessions = census.sessions;
    sessions.sort_by_key(|(status, _)| status.as_str());
    assert_eq!(sessions, [(SessionStatus::Initializing, 1), (SessionStatus::Running, 1)]);
}

#[tokio::test]
async fn commits_and_jobs_are_counted() {
    let world = World::new().await;
    let before = world.services.totals();
    let session = world.open().await;
    assert_eq!(world.services.totals(), Totals { commits: before.commits + 1, ..before });
    *world.sandboxes.refusal.lock().unwrap() = Some(SandboxError::Unavailable("not there".to_owned()));
    world.start_jobs();
    while world.services.has_work().await.unwrap() {
        world.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    let detail = world.services.session(&world.as_owner(), &session.id).await.unwrap();
    assert_eq!(detail.session.status, SessionStatus::Error);
    let totals = world.services.totals();
    let attempts = 6;
    // The session that failed also has what there may be of its sandbox removed.
    assert_eq!((totals.jobs_claimed, totals.jobs_retried, totals.jobs_failed), (attempts + 1, attempts - 1, 1));
    assert_eq!(totals.conflicts, before.conflicts);
}
