//! Channels and their conversations.

use super::rig::{Rig, actor, channel, commands, notices, prompt_from};
use crate::channels::Channel;
use crate::engine::{ChannelSession, Event, MAX_CHANNEL_SESSIONS, RunnerReport};

fn abort(rig: &mut Rig, from: &str) -> Vec<String> {
    let effects = rig.ok(Event::Aborted { channel: Some(channel(from)), by: actor() });
    [commands(&effects), notices(&effects)].concat()
}

#[test]
fn an_abort_of_a_channel_leaves_the_others_alone() {
    let mut rig = Rig::ready();
    for (id, from) in [("p", "a"), ("q", "b"), ("r", "a")] {
        rig.ok(prompt_from(from, id, None));
    }
    rig.say("s");
    assert_eq!(abort(&mut rig, "b"), ["[user.abort]"]);
    assert_eq!((rig.turn(), rig.queue()), (Some("p"), vec!["r", "s"]));
    assert_eq!(abort(&mut rig, "a"), ["abort p", "agent idle", "[user.abort]"]);
    assert_eq!(rig.queue(), ["s"]);
}

#[test]
fn clients_of_the_gateway_may_call_themselves_a_channel() {
    let mut rig = Rig::ready();
    rig.say("p");
    let web = Channel::new("web", "default").unwrap();
    let effects = rig.ok(Event::Aborted { channel: Some(web), by: actor() });
    assert_eq!(commands(&effects), ["abort p"]);
}

#[test]
fn every_channel_has_a_conversation_of_its_own() {
    let mut rig = Rig::ready();
    let told = |channel: Channel, name: &str| {
        RunnerReport::ChannelSession(ChannelSession { channel, agent_session: name.to_owned() })
    };
    rig.report(RunnerReport::Ready { agent_session: Some("web".to_owned()) });
    rig.report(told(channel("a"), "one"));
    rig.report(told(channel("b"), "two"));
    rig.report(told(channel("a"), "three"));
    rig.report(told(channel("b"), ""));
    rig.report(told(channel("b"), &"x".repeat(1_001)));
    assert_eq!(rig.engine.runner.agent_session.as_deref(), Some("web"));
    for (name, session) in [("a", Some("three")), ("b", Some("two")), ("c", None)] {
        assert_eq!(rig.engine.runner.channel_sessions.get(&channel(name)), session, "{name}");
    }
    for number in 0..MAX_CHANNEL_SESSIONS {
        rig.report(told(channel(&format!("c{number}")), "x"));
    }
    assert_eq!(rig.engine.runner.channel_sessions.len(), MAX_CHANNEL_SESSIONS);
    assert_eq!(rig.engine.runner.channel_sessions.get(&channel("a")), None);
    // They are there for the next sandbox.
    rig.gone();
    assert_eq!(rig.engine.runner.channel_sessions.get(&channel("c0")), Some("x"));
}
