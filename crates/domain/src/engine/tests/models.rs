//! The models of the agent: what is told of them, and which one a prompt names.

use super::rig::{Rig, message, notices, prompt};
use crate::engine::{Change, Command, Effects, Event, Prompt, RunnerReport};
use crate::models::{AvailableModels, Model, ModelSwitch, ProviderModels};

/// A list of so many models.
pub(super) fn models(count: u8) -> AvailableModels {
    let model = |n: u8| Model { id: format!("p/{n}"), name: format!("Model {n}") };
    AvailableModels::kept([ProviderModels { provider: "P".to_owned(), models: (0..count).map(model).collect() }])
}

pub(super) fn switch(prompt: &str) -> ModelSwitch {
    let (from, to, reason) = ("p/a".to_owned(), "p/b".to_owned(), "it is tired".to_owned());
    ModelSwitch { prompt: message(prompt), from, to, reason }
}

fn model_of(effects: &Effects) -> Option<&str> {
    effects.changes.iter().find_map(|change| match change {
        Change::CommandGiven { command: Command::Prompt { model, .. }, .. } => model.as_deref(),
        _ => None,
    })
}

#[test]
fn a_list_is_stored_and_told_when_it_is_news() {
    let mut rig = Rig::ready();
    assert_eq!(notices(&rig.report(RunnerReport::Models(models(2)))), ["models 2"]);
    assert_eq!(rig.report(RunnerReport::Models(models(2))), Effects::default());
    assert_eq!(rig.report(RunnerReport::Models(models(0))), Effects::default(), "it says nothing");
    assert_eq!(rig.store.models, Some(models(2)));
    rig.gone();
    rig.say("p");
    rig.revive();
    assert_eq!(rig.report(RunnerReport::Models(models(2))), Effects::default(), "also of the next runner");
    assert_eq!(notices(&rig.report(RunnerReport::Models(models(1)))), ["models 1"]);
    assert_eq!(rig.store.models, Some(models(1)));
}

#[test]
fn a_repeated_report_of_another_list_is_ignored() {
    let mut rig = Rig::ready();
    rig.report(RunnerReport::Models(models(2)));
    let frame = rig.engine.runner.last_frame;
    assert_eq!(rig.frame(frame, RunnerReport::Models(models(1))), Ok(Effects::default()));
    let old = rig.generation();
    rig.gone();
    rig.say("p");
    rig.connect();
    let late = Event::Reported { generation: old, frame: frame + 1, report: RunnerReport::Models(models(1)) };
    assert!(rig.apply(late).is_err());
    assert_eq!(rig.store.models, Some(models(2)));
}

#[test]
fn a_switch_is_a_message_and_a_hint() {
    let mut rig = Rig::working();
    assert_eq!(notices(&rig.report(RunnerReport::ModelSwitched(switch("p")))), ["message system", "switched to p/b"]);
    let told = rig.store.messages.values().find(|message| message.content.starts_with("Model"));
    assert_eq!(told.unwrap().content, "Model switched from p/a to p/b: it is tired");
}

#[test]
fn a_switch_belongs_to_the_turn() {
    let mut rig = Rig::working();
    assert_eq!(rig.report(RunnerReport::ModelSwitched(switch("other"))).notices, []);
    rig.complete("p");
    assert_eq!(rig.report(RunnerReport::ModelSwitched(switch("p"))).notices, []);
}

#[test]
fn long_names_of_models_are_cut() {
    let mut rig = Rig::working();
    let long = ModelSwitch { from: "m".repeat(10_000), reason: "r".repeat(10_000), ..switch("p") };
    rig.report(RunnerReport::ModelSwitched(long));
    let told = rig.store.messages.values().find(|message| message.content.starts_with("Model"));
    assert!(told.unwrap().content.len() < 5_000);
}

#[test]
fn a_prompt_without_a_model_gets_that_of_the_session() {
    let mut rig = Rig::ready();
    assert_eq!(model_of(&rig.say("p")), None);
    rig.complete("p");
    rig.engine.initial_model = Some("p/1".to_owned());
    assert_eq!(model_of(&rig.say("q")), Some("p/1"));
    rig.complete("q");
    let named = Prompt { model: Some("p/2".to_owned()), ..prompt("r", None) };
    assert_eq!(model_of(&rig.ok(Event::Prompted(named))), Some("p/2"));
}
