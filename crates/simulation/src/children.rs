//! Sessions that sessions open: people and agents ask for them, and at the end everybody has heard of everything once.

use std::collections::BTreeMap;

use portway_domain::access::Permission;
use portway_domain::ids::SessionId;
use portway_domain::messages::{Message, MessageRole, Part};
use portway_domain::sessions::SessionStatus;
use portway_services::agent_requests::{AgentRequest, ChildTask};
use portway_services::error::Error;
use portway_services::sessions::NewSession;

use crate::in_flight::InFlight;
use crate::people::REPEATS;
use crate::requests::{Call, Outcome, Person, call};
use crate::simulation::Simulation;

impl Person {
    /// Has a session open another one, as a person does or as an agent does.
    pub(crate) async fn open_child(&self, parent: &SessionId, spoken: u64) {
        let is_agent = self.simulation.draw(|random| random.chance(500));
        let key = self.key("child", spoken);
        let text = format!("task of {} {spoken}", self.number);
        for _ in 0..REPEATS {
            let open = if is_agent {
                self.spawning(parent, &key.key, &text)
            } else {
                self.opening(parent, self.simulation.draw(|random| random.chance(600)).then(|| text.clone()))
            };
            // The text is no part of the key, so what was said is that of the first attempt that came through.
            let outcome = self.request(Permission::SignedIn, Some(key.clone()), open).await;
            self.simulation.note(format_args!("person {}: {parent} opens a child: {outcome:?}", self.number));
            match outcome {
                Outcome::Done(child) => {
                    return self.simulation.ledger(|ledger| {
                        if !ledger.sessions.contains(&child) {
                            ledger.sessions.push(child);
                        }
                    });
                }
                Outcome::Refused(Error::Unavailable { .. }) | Outcome::Lost => {
                    self.simulation.pause(100, 2_000).await;
                }
                Outcome::Refused(_) => return,
            }
        }
    }

    fn spawning(&self, parent: &SessionId, key: &str, text: &str) -> Call<SessionId> {
        let request = AgentRequest { session: parent.clone(), id: key.to_owned() };
        let task = ChildTask { task: text.to_owned(), ..ChildTask::default() };
        let opening = InFlight::opening(&self.simulation);
        call(move |services, _| async move {
            let _opening = opening;
            services.spawn_child(&request, task).await
        })
    }

    fn opening(&self, parent: &SessionId, initial_prompt: Option<String>) -> Call<SessionId> {
        let parent = Some(parent.clone());
        let new = NewSession { workspace: "simulated".to_owned(), initial_prompt, parent, ..NewSession::default() };
        let opening = InFlight::opening(&self.simulation);
        call(move |services, context| async move {
            let _opening = opening;
            services.open_session(&context, new).await.map(|session| session.id)
        })
    }
}

/// What a child has to tell, or has told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    idle: u64,
    completed: u64,
    /// How often each error.
    errors: BTreeMap<String, u64>,
}

impl Told {
    /// Whether nothing is here that is not in the other one.
    fn is_within(&self, all: &Self) -> bool {
        let known = |(error, count): (&String, &u64)| all.errors.get(error).is_some_and(|most| count <= most);
        self.idle <= all.idle && self.completed <= all.completed && self.errors.iter().all(known)
    }
}

/// What is wrong with children when nothing goes on any more.
pub(crate) fn check(simulation: &Simulation) -> Vec<String> {
    let all: Vec<_> = simulation
        .oracle(|oracle| oracle.sessions().map(|(id, stored)| (id.clone(), stored.value.clone())).collect::<Vec<_>>());
    let statuses: BTreeMap<&SessionId, SessionStatus> = all.iter().map(|(id, engine)| (id, engine.status)).collect();
    let mut findings = Vec::new();
    for (id, engine) in &all {
        let Some(parent) = &engine.parent else {
            continue;
        };
        let has_parent_ended = statuses.get(parent).is_none_or(|status| status.is_ended());
        if has_parent_ended && !engine.status.is_ended() {
            findings.push(format!("child {id} outlives its parent {parent}"));
        }
        if simulation.oracle(|oracle| oracle.is_gone(parent)) {
            findings.push(format!("child {id} is left of its parent {parent}, which is deleted"));
            continue;
        }
        let was_reverted = |session| simulation.ledger(|ledger| ledger.was_asked_to_revert(session));
        match simulation.oracle(|oracle| compare(oracle, id, parent)) {
            Ok((told, mut to_tell)) => {
                // What was told may be taken back, and so may be the errors that had to be told.
                if was_reverted(id) {
                    to_tell.errors.clone_from(&told.errors);
                }
                let may_lack = has_parent_ended || was_reverted(parent);
                if told == to_tell || (may_lack && told.is_within(&to_tell)) {
                    continue;
                }
                findings.push(format!("child {id} has told {told:?} instead of {to_tell:?}"));
            }
            Err(finding) => findings.push(finding),
        }
    }
    findings
}

/// What a parent was told by a child, and what it had to be told.
fn compare(oracle: &crate::oracle::Oracle, child: &SessionId, parent: &SessionId) -> Result<(Told, Told), String> {
    let own = oracle.transcript(child)?;
    let mut to_tell = Told { idle: oracle.idle.get(child).copied().unwrap_or_default(), ..Told::default() };
    let error_of = |message: &Message| message.content.strip_prefix("Error: ").map(str::to_owned);
    for error in own.messages.iter().filter(|message| message.parts.is_empty()).filter_map(error_of) {
        *to_tell.errors.entry(error).or_default() += 1;
    }
    to_tell.completed = u64::from(oracle.completed.contains(child));
    let mut told = Told::default();
    let name = format!("({child})");
    for message in oracle.transcript(parent)?.messages.iter().filter(|message| is_label(message)) {
        let Some((_, what)) = message.content.split_once(&name) else {
            continue;
        };
        match what.split_once(": ") {
            Some((" reported an error" | " failed and has ended", error)) => {
                *told.errors.entry(error.to_owned()).or_default() += 1;
            }
            Some(_) => told.idle += 1,
            None => told.completed += 1,
        }
    }
    Ok((told, to_tell))
}

fn is_label(message: &Message) -> bool {
    message.role == MessageRole::System && matches!(message.parts[..], [Part::Label { .. }])
}
