use portway_domain::engine::{Command, Notice, RunnerReport};
use portway_domain::ids::SessionId;
use portway_domain::models::{AvailableModels, Model, ModelSwitch, ProviderModels};
use portway_ports::pubsub::Hint;

use super::world::World;
use crate::identity::ProfileChange;
use crate::legacy_runners::KnownTurn;
use crate::prompts::NewPrompt;
use crate::runners::RunnerError;
use crate::sessions::NewSession;

fn models(names: &[&str]) -> AvailableModels {
    let model = |name: &&str| Model { id: format!("p/{name}"), name: (*name).to_owned() };
    AvailableModels::kept([ProviderModels { provider: "P".to_owned(), models: names.iter().map(model).collect() }])
}

async fn in_session(world: &World, id: &SessionId) -> Option<AvailableModels> {
    world.services.transcript(&world.as_owner(), id).await.unwrap().1.models
}

async fn of_user(world: &World) -> AvailableModels {
    world.services.available_models(&world.signed_in()).await.unwrap()
}

/// How often watchers were told of models.
fn told(world: &World) -> usize {
    let hints = world.hints.all();
    let notices = hints.iter().filter_map(|(_, hint)| match hint {
        Hint::Session { notices, .. } => Some(notices),
        _ => None,
    });
    notices.flatten().filter(|notice| matches!(notice, Notice::Models(_))).count()
}

#[tokio::test]
async fn models_are_those_of_the_session_and_of_its_owner() {
    let world = World::new().await;
    assert_eq!(of_user(&world).await, AvailableModels::default());
    let id = world.open_ready().await;
    assert_eq!(in_session(&world, &id).await, None);
    let reports = vec![(2, RunnerReport::Models(models(&["a", "b"]))), (3, RunnerReport::Models(models(&["a", "b"])))];
    assert_eq!(world.services.runner_reported(&id, 1, reports).await, Ok(3));
    assert_eq!(in_session(&world, &id).await, Some(models(&["a", "b"])));
    assert_eq!(of_user(&world).await, models(&["a", "b"]));
    assert_eq!(told(&world), 1);
    let other = world.open().await.id;
    assert_eq!(in_session(&world, &other).await, None, "its agent may be another one");
}

#[tokio::test]
async fn a_report_that_comes_again_changes_nothing() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let report = |frame: u64, name: &str| vec![(frame, RunnerReport::Models(models(&[name])))];
    world.services.runner_reported(&id, 1, report(2, "a")).await.unwrap();
    world.services.runner_reported(&id, 1, report(3, "b")).await.unwrap();
    assert_eq!(world.services.runner_reported(&id, 1, report(2, "a")).await, Ok(3));
    assert_eq!(in_session(&world, &id).await, Some(models(&["b"])));
    let stale = world.services.runner_reported(&id, 2, report(1, "c")).await;
    assert!(matches!(stale, Err(RunnerError::Stale(_))), "{stale:?}");
    assert_eq!(in_session(&world, &id).await, Some(models(&["b"])));
    assert_eq!(told(&world), 2);
}

#[tokio::test]
async fn only_the_present_connection_tells_of_models() {
    let world = World::new().await;
    let id = world.open().await.id;
    world.start_jobs();
    let token = world.sandboxes.started(&id, 1).await;
    for connection in ["c1", "c2"] {
        world.services.legacy_runner_connected(&id, &token, connection, KnownTurn::Kept).await.unwrap();
    }
    let report = [RunnerReport::Models(models(&["a"]))];
    let replaced = world.services.legacy_runner_reported(&id, "c1", 0, &report).await;
    assert_eq!(replaced, Err(RunnerError::Replaced));
    assert_eq!(in_session(&world, &id).await, None);
    world.services.legacy_runner_reported(&id, "c2", 0, &report).await.unwrap();
    assert_eq!(in_session(&world, &id).await, Some(models(&["a"])));
}

#[tokio::test]
async fn a_switch_is_in_the_transcript() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let say = NewPrompt { content: "x".to_owned(), ..NewPrompt::default() };
    let prompt = world.services.prompt(&world.as_owner(), &id, say).await.unwrap();
    let (from, to, reason) = ("p/a".to_owned(), "p/b".to_owned(), "none left".to_owned());
    let switch = RunnerReport::ModelSwitched(ModelSwitch { prompt, from, to, reason });
    for frame in [2, 2] {
        world.services.runner_reported(&id, 1, vec![(frame, switch.clone())]).await.unwrap();
    }
    let (_, transcript) = world.services.transcript(&world.as_owner(), &id).await.unwrap();
    let contents: Vec<&str> = transcript.messages.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(contents, ["x", "Model switched from p/a to p/b: none left"]);
}

#[tokio::test]
async fn every_prompt_without_a_model_gets_that_of_the_session() {
    let world = World::new().await;
    let new = NewSession {
        workspace: "w".to_owned(),
        initial_prompt: Some("first".to_owned()),
        initial_model: Some("p/a".to_owned()),
        ..NewSession::default()
    };
    let id = world.services.open_session(&world.signed_in(), new).await.unwrap().id;
    world.start_jobs();
    world.connect(&id, 1).await;
    let pending = world.services.pending_commands(&id, 1, 0).await.unwrap();
    let [Command::Prompt { prompt: first, model, .. }] = [&pending[0].command] else {
        panic!("{pending:?}");
    };
    assert_eq!(model.as_deref(), Some("p/a"));
    let ended = RunnerReport::Completed { prompt: first.clone(), aborted: false };
    world.services.runner_reported(&id, 1, vec![(2, ended)]).await.unwrap();
    let say = NewPrompt { content: "second".to_owned(), ..NewPrompt::default() };
    world.services.prompt(&world.as_owner(), &id, say).await.unwrap();
    let pending = world.services.pending_commands(&id, 1, 1).await.unwrap();
    assert!(matches!(&pending[0].command, Command::Prompt { model: Some(model), .. } if model == "p/a"));
}

#[tokio::test]
async fn preferences_are_those_of_the_owner() {
    let world = World::new().await;
    let id = world.open().await.id;
    assert_eq!(world.services.model_preferences(&id).await.unwrap(), Vec::<String>::new());
    let wanted = vec!["p/b".to_owned(), "p/a".to_owned()];
    let change = ProfileChange { model_preferences: Some(wanted.clone()), ..ProfileChange::default() };
    world.services.change_me(&world.signed_in(), change).await.unwrap();
    assert_eq!(world.services.model_preferences(&id).await.unwrap(), wanted);
}
