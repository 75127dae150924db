//! How a sandbox is reached from outside.

use super::rig::{Rig, actor, node, notices, tunnels, urls};
use crate::engine::{Change, Effects, Event, Notice, RunnerReport, StatusNotice};
use crate::messages::Part;
use crate::tunnels::{Exposure, SandboxUrls};

fn started(rig: &mut Rig) -> Effects {
    let generation = rig.generation();
    rig.ok(Event::SandboxStarted { generation, node: node(), sandbox: None, urls: urls() })
}

/// The addresses that are told with a status.
fn told(effects: &Effects) -> Vec<&SandboxUrls> {
    let with_urls = effects.notices.iter().filter_map(|notice| match notice {
        Notice::Status(StatusNotice::Lifecycle { urls, sandbox: Some(true), .. }) => Some(urls),
        _ => None,
    });
    with_urls.collect()
}

#[test]
fn where_a_sandbox_is_reached_is_told_once() {
    let mut rig = Rig::opened();
    let effects = started(&mut rig);
    assert_eq!((notices(&effects), told(&effects)), (vec!["running".to_owned()], vec![&urls()]));
    assert_eq!(rig.engine.runner.exposure.urls, urls());
    assert_eq!(notices(&started(&mut rig)), [""; 0]);

    let mut rig = Rig::opened();
    assert_eq!(told(&rig.connect()), [&SandboxUrls::default()]);
    assert_eq!(told(&started(&mut rig)), [&urls()], "the backend may be slower than the runner");
}

#[test]
fn the_runner_tells_all_tunnels_each_time() {
    let mut rig = Rig::ready();
    assert_eq!(notices(&rig.report(RunnerReport::Tunnels(tunnels(2)))), ["tunnels 2"]);
    assert_eq!(notices(&rig.report(RunnerReport::Tunnels(tunnels(2)))), [""; 0]);
    let effects = rig.report(RunnerReport::Tunnels(tunnels(1)));
    assert_eq!((notices(&effects), effects.changes), (vec!["tunnels 1".to_owned()], Vec::new()));
    assert_eq!(rig.engine.runner.exposure.tunnels, tunnels(1));
}

#[test]
fn tunnels_are_no_sign_of_life_of_the_agent() {
    let mut rig = Rig::working();
    let heard = rig.engine.turn.as_ref().map(|turn| turn.last_report);
    rig.wait(5);
    rig.report(RunnerReport::Tunnels(tunnels(1)));
    assert_eq!(rig.engine.turn.as_ref().map(|turn| turn.last_report), heard);
}

#[test]
fn all_of_it_goes_with_the_sandbox() {
    let exposed = || {
        let mut rig = Rig::ready();
        started(&mut rig);
        rig.report(RunnerReport::Tunnels(tunnels(2)));
        assert!(!rig.engine.runner.exposure.is_empty());
        rig
    };
    let generation = exposed().generation();
    for end in [
        Event::HibernationWanted { by: actor() },
        Event::SandboxGone { generation, detail: "killed".to_owned() },
        Event::SandboxRetired,
        Event::Terminated { by: actor() },
    ] {
        let mut rig = exposed();
        rig.ok(end.clone());
        assert_eq!(rig.engine.runner.exposure, Exposure::default(), "{end:?}");
    }
    let mut parting = exposed();
    parting.ok(Event::HibernationWanted { by: actor() });
    started(&mut parting);
    assert!(parting.engine.runner.exposure.is_empty(), "a late answer of the backend says nothing any more");
    let mut lost = exposed();
    lost.ok(Event::GatewayRestarted);
    assert!(!lost.engine.runner.exposure.is_empty(), "it stays while the runner may come back");
}

#[test]
fn a_tunnel_that_was_closed_shows_in_the_transcript() {
    let mut rig = Rig::ready();
    let closed = || Event::TunnelClosed { name: "web".to_owned(), by: actor() };
    let effects = rig.ok(closed());
    assert_eq!(notices(&effects), ["[tunnel.disabled]", "message system"]);
    let added = effects.changes.iter().find_map(|change| match change {
        Change::MessageAdded(message) => Some((message.content.as_str(), message.parts.as_slice())),
        _ => None,
    });
    assert_eq!(added, Some(("U closed the tunnel web", [Part::TunnelClosed { name: "web".to_owned() }].as_slice())));
    rig.ok(Event::Terminated { by: actor() });
    assert_eq!(rig.ok(closed()), Effects::default());
}
