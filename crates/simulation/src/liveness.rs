//! What must become of everything once nothing fails any more.

use std::sync::Arc;

use portway_domain::engine::Link;
use portway_domain::sessions::SessionStatus;

use crate::executor::lock;
use crate::node::Node;
use crate::simulation::Simulation;
use crate::system::timestamp;
use crate::watcher::Screens;
use crate::{children, deletion};

/// What is still going on, if anything is.
pub(crate) fn unfinished(simulation: &Simulation, nodes: &[Arc<Node>]) -> Option<String> {
    let now = timestamp(simulation.now());
    if let Some(node) = nodes.iter().find(|node| !node.is_up() || node.machine.gateway().is_none()) {
        return Some(format!("node {} is not up", node.machine.number));
    }
    if simulation.ledger(|ledger| ledger.talking > 0) {
        return Some("somebody talks".to_owned());
    }
    if let Some(stray) = check_sandboxes(simulation, nodes).into_iter().next() {
        return Some(stray);
    }
    simulation.oracle(|oracle| {
        for node in nodes {
            if let Some(at) = oracle.next_job(&node.machine.node, now) {
                return Some(format!("a job of node {} is to be done at {at}", node.machine.number));
            }
        }
        oracle.sessions().find_map(|(id, stored)| {
            let engine = &stored.value;
            let runner = &engine.runner;
            let told = simulation.ledger(|ledger| ledger.workspaces.last(id, runner.generation));
            if matches!(runner.link, Link::Connected { .. }) && told > runner.last_frame {
                return Some(format!("session {id}: report {told} is on its way"));
            }
            let why = match (&engine.turn, engine.queue.front(), engine.questions.first()) {
                (Some(turn), ..) => Some(format!("turn {} goes on", turn.prompt)),
                (None, Some(queued), _) => Some(format!("prompt {} waits", queued.id)),
                (None, None, Some(question)) => Some(format!("question {} is open", question.id)),
                (None, None, None) if matches!(engine.runner.link, Link::Lost { .. }) => {
                    Some("its runner is lost".to_owned())
                }
                (None, None, None) => {
                    let is_stable = matches!(engine.status, SessionStatus::Running | SessionStatus::Hibernated)
                        || engine.status.is_ended();
                    (!is_stable).then(|| format!("it is {}", engine.status.as_str()))
                }
            };
            why.map(|why| format!("session {id}: {why}"))
        })
    })
}

/// What is wrong when nothing goes on any more.
pub(crate) fn check_end(simulation: &Simulation, nodes: &[Arc<Node>], screens: &Screens) {
    let mut findings = check_sandboxes(simulation, nodes);
    findings.extend(check_prompts(simulation));
    findings.extend(children::check(simulation));
    findings.extend(check_screens(simulation, screens));
    findings.extend(deletion::check(simulation, screens));
    findings.extend(simulation.oracle(|oracle| oracle.check_objects()).err());
    let ids: Vec<_> = simulation.oracle(|oracle| oracle.sessions().map(|(id, _)| id.clone()).collect());
    for id in ids {
        let looked = simulation.ledger(|ledger| simulation.oracle(|oracle| oracle.look_thoroughly(&id, ledger)));
        findings.extend(looked.err());
    }
    for finding in findings {
        simulation.violated(format_args!("at the end: {finding}"));
    }
}

/// A session has no sandbox but the one that it knows.
fn check_sandboxes(simulation: &Simulation, nodes: &[Arc<Node>]) -> Vec<String> {
    let living = nodes.iter().flat_map(|node| {
        node.machine.living().into_iter().map(|(session, generation)| (node.machine.number, session, generation))
    });
    let is_wanted = |session: &_, generation| {
        simulation.oracle(|oracle| {
            oracle.sessions().any(|(id, stored)| {
                let runner = &stored.value.runner;
                id == session && runner.generation == generation && runner.link != Link::None
            })
        })
    };
    living
        .filter(|(_, session, generation)| !is_wanted(session, *generation))
        .map(|(machine, session, generation)| format!("sandbox {session}/{generation} runs on machine {machine}"))
        .collect()
}

/// Every prompt that was acknowledged reached an agent, unless it was dropped.
fn check_prompts(simulation: &Simulation) -> Vec<String> {
    let acknowledged = simulation.ledger(|ledger| ledger.acknowledged.clone());
    let was_given = |id: &_| simulation.ledger(|ledger| ledger.given.contains_key(id));
    let was_dropped = |id: &_| simulation.oracle(|oracle| oracle.dropped.contains(id));
    acknowledged
        .into_iter()
        .filter(|(id, _)| !was_given(id) && !was_dropped(id))
        .map(|(id, known)| format!("prompt {id} of session {} reached no agent: {:?}", known.session, known.content))
        .collect()
}

/// Whoever watches sees what there is.
fn check_screens(simulation: &Simulation, screens: &Screens) -> Vec<String> {
    let screens = lock(screens).clone();
    let compare = |(session, mut screen): (_, crate::watcher::Screen)| {
        simulation.ledger(|ledger| {
            simulation.oracle(|oracle| {
                // A version without anything to tell is not told.
                screen.version = oracle.sessions().find(|(id, _)| **id == session)?.1.version;
                oracle.compare(&session, &screen, ledger)
            })
        })
    };
    screens.into_values().filter_map(compare).collect()
}
