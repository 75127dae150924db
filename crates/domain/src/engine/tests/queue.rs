//! Prompts that wait: collected, withdrawn, promoted.

use super::rig::{Rig, actor, commands, message, notices, prompt, prompt_from};
use crate::engine::{Actor, Event, Refusal, RunnerReport};
use crate::ids::UserId;
use crate::messages::Author;
use crate::sessions::QueueMode;

#[test]
fn collected_prompts_go_together_after_a_moment() {
    let mut rig = Rig::ready();
    let effects = rig.collect("a");
    assert_eq!(commands(&effects), [""; 0]);
    assert_eq!(notices(&effects), ["message user", "[user.prompt]", "collecting 1"]);
    rig.wait(2);
    assert_eq!(notices(&rig.collect("b")).last().unwrap(), "collecting 2");
    assert_eq!(commands(&rig.due_after(2)), [""; 0], "the second one began the wait anew");
    let effects = rig.due_after(1);
    assert_eq!(commands(&effects), ["prompt a+b"]);
    assert_eq!(notices(&effects), ["collecting 0", "dequeued 0"]);
    assert_eq!((rig.turn(), rig.queue()), (Some("b"), vec![]));
}

#[test]
fn collected_prompts_wait_for_a_busy_agent() {
    let mut rig = Rig::working();
    rig.collect("a");
    rig.collect("b");
    let effects = rig.due_after(3);
    assert_eq!(notices(&effects), ["collecting 0", "queued 2"]);
    assert_eq!(commands(&rig.complete("p")), ["prompt a+b"]);
}

#[test]
fn a_free_agent_waits_for_what_is_collected() {
    let mut rig = Rig::working();
    rig.collect("a");
    assert_eq!(commands(&rig.complete("p")), [""; 0]);
    assert_eq!(commands(&rig.due_after(3)), ["prompt a"]);
}

#[test]
fn a_plain_prompt_ends_the_collection_and_goes_after_it() {
    let mut rig = Rig::ready();
    rig.collect("a");
    rig.collect("b");
    let effects = rig.say("c");
    assert_eq!(commands(&effects), ["prompt a+b"]);
    assert_eq!(rig.queue(), ["c"]);
    rig.take_all();
    rig.collect("d");
    assert_eq!(commands(&rig.complete("b")), ["prompt c"], "what was said before is not held back");
    assert_eq!(rig.queue(), ["d"]);
}

#[test]
fn collected_prompts_survive_the_loss_of_their_runner_together() {
    let mut rig = Rig::ready();
    rig.collect("a");
    rig.collect("b");
    rig.due_after(3);
    rig.gone();
    assert_eq!(rig.queue(), ["a", "b"]);
    assert_eq!(commands(&rig.revive()), ["prompt a+b"]);
}

#[test]
fn collected_prompts_are_dropped_like_others() {
    let mut rig = Rig::working();
    rig.collect("a");
    assert_eq!(notices(&rig.abort()), ["collecting 0", "agent idle", "[user.abort]"]);
    rig.stopped("p");
    rig.collect("b");
    let cleared = rig.ok(Event::QueueCleared);
    assert_eq!(notices(&cleared), ["collecting 0", "cleared 1", "agent idle"]);
    assert_eq!(rig.seconds_left(), None);
}

#[test]
fn each_channel_collects_by_itself() {
    let mut rig = Rig::ready();
    let collect = |channel, id| prompt_from(channel, id, Some(QueueMode::Collect));
    rig.ok(collect("a", "a1"));
    rig.wait(1);
    rig.ok(collect("b", "b1"));
    rig.wait(1);
    rig.ok(collect("a", "a2"));
    assert_eq!(notices(&rig.collect("c")).last().unwrap(), "collecting 4");
    rig.wait(1);
    assert_eq!(commands(&rig.due_after(1)), ["prompt b1"], "the others were said later");
    rig.take_all();
    assert_eq!(notices(&rig.due_after(1)), ["collecting 0", "queued 3"]);
    assert_eq!(commands(&rig.complete("b1")), ["prompt a1+a2"], "with what came from somewhere else in between");
    assert_eq!(rig.queue(), ["c"]);
}

#[test]
fn a_plain_prompt_goes_before_what_other_channels_collect() {
    let mut rig = Rig::ready();
    rig.ok(prompt_from("a", "a", Some(QueueMode::Collect)));
    assert_eq!(commands(&rig.say("p")), ["prompt p"]);
    rig.take_all();
    rig.ok(prompt_from("b", "b", Some(QueueMode::Collect)));
    let effects = rig.ok(prompt_from("a", "c", None));
    assert_eq!(notices(&effects)[2..], ["collecting 1", "[prompt.queued]", "queued 3"], "it ends its own collection");
    assert_eq!(commands(&rig.complete("p")), ["prompt a"]);
    assert_eq!(rig.queue(), ["b", "c"]);
}

#[test]
fn a_channel_steers_its_own_turn_and_drops_what_waits_of_it() {
    let mut rig = Rig::ready();
    let steer = |channel, id| prompt_from(channel, id, Some(QueueMode::Steer));
    rig.ok(prompt_from("a", "a", None));
    rig.take_all();
    rig.ok(prompt_from("a", "later", None));
    rig.ok(prompt_from("b", "other", None));
    assert_eq!(commands(&rig.ok(steer("b", "b"))), [""; 0], "it is not the turn of that channel");
    assert_eq!(commands(&rig.ok(steer("a", "now"))), ["abort a"]);
    assert_eq!(rig.queue(), ["other", "b", "now"]);
    rig.steer("all");
    assert_eq!(rig.queue(), ["all"], "who is in no channel steers everything");
}

#[test]
fn answers_belong_to_the_channel_of_their_prompt() {
    let mut rig = Rig::ready();
    rig.ok(prompt_from("a", "a", None));
    rig.take_all();
    rig.report(RunnerReport::MessageCreated { message: message("a.1") });
    let channel = |id: &str| rig.store.messages[&message(id)].channel.as_ref().map(ToString::to_string);
    assert_eq!((channel("a"), channel("a.1")), (Some("chat:a".to_owned()), Some("chat:a".to_owned())));
}

#[test]
fn a_prompt_that_waits_is_withdrawn_with_its_message() {
    let mut rig = Rig::working();
    rig.say("a");
    rig.say("b");
    let effects = rig.withdraw("a").unwrap();
    assert_eq!(notices(&effects), ["removed a", "[prompt.withdrawn]", "withdrawn a 1"]);
    assert!(!rig.store.messages.contains_key(&message("a")));
    assert_eq!(notices(&rig.withdraw("b").unwrap()).last().unwrap(), "agent thinking");
    assert_eq!(commands(&rig.complete("p")), [""; 0]);
}

#[test]
fn what_the_agent_has_is_not_withdrawn() {
    let mut rig = Rig::working();
    assert_eq!(rig.withdraw("p"), Err(Refusal::PromptNotWaiting));
    assert_eq!(rig.promote("p"), Err(Refusal::PromptNotWaiting));
    rig.terminate();
    assert_eq!(rig.withdraw("p"), Err(Refusal::Ended("terminated")));
}

#[test]
fn one_withdraws_what_one_said_and_the_owner_everything() {
    let mut rig = Rig::working();
    let user = |id: &str| UserId::parse(id).unwrap();
    let author = |id: &str| Author { id: user(id), email: String::new(), name: None, avatar_url: None };
    let by = |id: &str| Actor { user: user(id), ..actor() };
    for id in ["a", "b"] {
        rig.ok(Event::Prompted(crate::engine::Prompt { author: Some(author("guest")), ..prompt(id, None) }));
    }
    let withdraw = |id: &str, who: &str| Event::PromptWithdrawn { prompt: message(id), by: by(who) };
    assert_eq!(rig.apply(withdraw("a", "other")), Err(Refusal::NotTheAuthor));
    rig.ok(withdraw("a", "guest"));
    rig.ok(withdraw("b", "u"));
    assert_eq!(rig.queue(), [""; 0]);
}

#[test]
fn withdrawing_the_last_collected_prompt_ends_the_collection() {
    let mut rig = Rig::ready();
    rig.collect("a");
    rig.collect("b");
    assert_eq!(notices(&rig.withdraw("b").unwrap()).last().unwrap(), "collecting 1");
    let effects = rig.withdraw("a").unwrap();
    assert_eq!(notices(&effects), ["removed a", "[prompt.withdrawn]", "withdrawn a 0", "collecting 0", "agent idle"]);
    assert_eq!(rig.seconds_left(), None);
}

#[test]
fn a_promoted_prompt_is_next_and_the_others_stay() {
    let mut rig = Rig::working();
    rig.say("a");
    rig.say("b");
    let effects = rig.promote("b").unwrap();
    assert_eq!(commands(&effects), ["abort p"]);
    assert_eq!(notices(&effects), ["[prompt.promoted]", "queued 1", "agent idle"]);
    assert_eq!(rig.queue(), ["b", "a"]);
    assert_eq!(commands(&rig.stopped("p")), ["prompt b"]);
    assert_eq!(commands(&rig.complete("b")), ["prompt a"]);
}

#[test]
fn a_promoted_prompt_is_not_held_back() {
    let mut rig = Rig::ready();
    rig.collect("a");
    rig.collect("b");
    let effects = rig.promote("b").unwrap();
    assert_eq!(commands(&effects), ["prompt b"]);
    assert_eq!(rig.queue(), ["a"]);
    assert_eq!(commands(&rig.complete("b")), [""; 0]);
    assert_eq!(commands(&rig.due_after(3)), ["prompt a"]);
}
