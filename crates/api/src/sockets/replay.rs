//! Protocol 2 of clients: what happens in a session as frames that say how far they go.

use portway_domain::engine::{AuditEntry, Notice};
use portway_domain::messages::Message;
use portway_domain::states::Facts;
use portway_domain::users::Profile;
use portway_ports::changes::{Changes, ClosedQuestion};
use portway_protocol::RESUMING_PROTOCOL;
use portway_protocol::message as wire;
use portway_protocol::resuming::{HistoryData, ResumedData, ResumedSession, Sequenced};
use portway_protocol::server::ServerFrame;
use portway_services::resuming::{Beginning, NewestMessages, OlderMessages};

use super::{frames, models, workspaces};

/// Who is there.
pub(super) struct Present {
    pub(super) users: Vec<Profile>,
    pub(super) sockets: usize,
}

/// What a client begins with, or gets on with after hints were lost.
pub(super) fn beginning(beginning: Beginning, present: Present) -> Vec<Sequenced> {
    match beginning {
        Beginning::Fresh(newest) => fresh(newest, present),
        Beginning::Changed(changes) => changed(changes, present),
    }
}

/// The whole state, and every question that waits.
fn fresh(newest: NewestMessages, present: Present) -> Vec<Sequenced> {
    let NewestMessages { mut transcript, before: page } = newest;
    let questions: Vec<Sequenced> = questions(&transcript.engine.value.questions);
    let seq = transcript.engine.value.seq;
    let shown = std::mem::take(&mut transcript.messages).into_iter().map(message).collect();
    let entries = std::mem::take(&mut transcript.audit).into_iter().map(audit).collect();
    let mut init = frames::init(transcript, present.users, present.sockets);
    if let ServerFrame::Init { session, data, protocol } = &mut init {
        session.messages = shown;
        session.before = page;
        data.audit_log = entries;
        *protocol = Some(RESUMING_PROTOCOL);
    }
    let mut frames = vec![Sequenced { frame: init, seq: Some(seq) }];
    frames.extend(questions);
    frames
}

/// What changed, and at the end what goes on: only then the client has everything.
fn changed(changes: Changes, present: Present) -> Vec<Sequenced> {
    let engine = changes.engine.value;
    let mut frames: Vec<Sequenced> = Vec::new();
    if !changes.removed.is_empty() {
        let message_ids = changes.removed.iter().map(ToString::to_string).collect();
        frames.push(ServerFrame::MessagesRemoved { message_ids }.into());
    }
    frames.extend(changes.messages.into_iter().map(|changed| ServerFrame::Message { data: message(changed) }.into()));
    frames.extend(changes.closed.iter().filter_map(closed));
    frames.extend(questions(&engine.questions));
    frames.extend(changes.audit.into_iter().map(|entry| ServerFrame::AuditLog { entry: audit(entry) }.into()));
    frames.extend(changes.git.map(|state| workspaces::git_state(state).into()));
    let files = changes.files.map(|files| workspaces::files_changed(files.iter().map(|file| &file.change)));
    frames.extend(files.map(Sequenced::from));
    frames.extend(changes.models.map(|offered| models::models(offered).into()));
    let facts = Facts::of(&engine);
    let resumed = ServerFrame::Resumed {
        session: ResumedSession { status: engine.status.as_str().to_owned(), title: changes.access.session.title },
        data: ResumedData {
            sandbox_running: facts.sandbox,
            runner_connected: facts.connected,
            runner_busy: facts.busy,
            prompts_queued: facts.queued,
            queue: engine.queue.into_iter().map(|queued| queued.id.into()).collect(),
            connected_clients: present.sockets,
            connected_users: present.users.iter().map(frames::connected_user).collect(),
        },
    };
    frames.push(Sequenced { frame: resumed, seq: Some(engine.seq) });
    frames
}

fn questions(open: &[portway_domain::questions::Question]) -> Vec<Sequenced> {
    open.iter().map(|question| frames::question(question).into()).collect()
}

fn closed(closed: &ClosedQuestion) -> Option<Sequenced> {
    let id = closed.question.id.clone();
    let notice = if closed.is_expired {
        Notice::QuestionExpired { id }
    } else {
        Notice::QuestionAnswered { id, answer: closed.question.words(&closed.resolution) }
    };
    frames::notice(&notice).map(Sequenced::from)
}

/// The frames of a change, in the places of the notices. `seq` is the counter that the client comes to with it, if that
/// is news: it is in the last frame that is not only of the moment. Text that follows is of the open message, which is
/// told whole to who comes back.
pub(super) fn frames_of(notices: &[Notice], seq: Option<u64>) -> Vec<Option<Sequenced>> {
    let mut frames: Vec<Option<Sequenced>> = notices.iter().map(notice).collect();
    if let Some(last) = completing(notices).and_then(|place| frames.get_mut(place)?.as_mut()) {
        last.seq = seq;
    }
    frames
}

/// The place of the notice whose frame completes the change.
pub(super) fn completing(notices: &[Notice]) -> Option<usize> {
    notices.iter().rposition(completes)
}

/// Whether a notice has a frame that is not only of the moment.
fn completes(notice: &Notice) -> bool {
    !matches!(
        notice,
        Notice::Chunk(_)
            | Notice::Agent { .. }
            | Notice::AccessWithdrawn { .. }
            | Notice::Commands
            | Notice::RunnerReplaced { .. }
            | Notice::RunnerStop { .. }
    )
}

fn notice(notice: &Notice) -> Option<Sequenced> {
    let frame = match notice {
        Notice::Message(new) => ServerFrame::Message { data: message(new.clone()) },
        Notice::Audit(entry) => ServerFrame::AuditLog { entry: audit(entry.clone()) },
        other => frames::notice(other)?,
    };
    Some(frame.into())
}

/// A page of older messages.
pub(super) fn history(older: OlderMessages) -> ServerFrame {
    let messages = older.messages.into_iter().map(message).collect();
    ServerFrame::History { data: HistoryData { messages, before: older.before } }
}

fn message(message: Message) -> wire::Message {
    let position = message.position;
    wire::Message { position: Some(position), ..frames::as_shown(message) }
}

fn audit(entry: AuditEntry) -> portway_protocol::server::AuditEntry {
    let seq = entry.seq;
    portway_protocol::server::AuditEntry { seq: Some(seq), ..frames::audit(entry) }
}
