//! Random writes.

use portway_domain::access::Role;
use portway_domain::engine::{Change, Command, Engine, OpenMessage};
use portway_domain::ids::TokenId;
use portway_domain::jobs::{Job, Work};
use portway_domain::mcp::McpLogLevel;
use portway_domain::memories::{Memory, MemoryCategory, Relevance};
use portway_domain::messages::{FinishReason, MessageRole, Part, PlanEntry, TextKind, ToolStatus};
use portway_domain::questions::{Choice, ChoiceKind, Question, Resolution};
use portway_domain::sessions::{QueueMode, SessionStatus};
use portway_domain::sharing::Participant;
use portway_domain::tokens::TokenKind;
use portway_domain::users::User;
use portway_domain::workspaces::{FileStatus, GitReport};
use portway_ports::commit::{Commit, Remembered, Write};
use portway_ports::mcp_sessions::KeptMcpSession;
use portway_ports::presence::OpenSocket;
use portway_ports::{Store, StoreError};

use super::cast::{Cast, Talk};
use crate::fixture::{added, at, set};
use crate::mcp_sessions::client;
use crate::memories::memory;
use crate::models::offered;
use crate::samples::{audit, node, note, token, tool_call};
use crate::workspaces::file;

impl Cast {
    /// One write that is not like the others, or a change set.
    pub(super) async fn write(&mut self, store: &dyn Store) -> Result<String, StoreError> {
        match self.random.below(12) {
            0 => self.claim(store).await,
            1 => self.nodes(store).await,
            2 => self.sockets(store).await,
            3..=7 => self.session_changes(store).await,
            _ => self.change_set(store).await,
        }
    }

    /// Most of the cast come in at once, so that there is something to read: two people, their tokens and two sessions.
    pub(super) async fn enter(&mut self, store: &dyn Store) -> Result<Vec<String>, StoreError> {
        let mut lines = Vec::new();
        for index in 0..2 {
            let user = User::new(self.users[index].clone(), format!("{index}@example.org"), Role::Member, at(0));
            let tokens = [index, index + 2].map(|index| self.tokens[index].clone());
            let token = |id: TokenId| Write::AddToken(token(id, &user.id, "one", TokenKind::Api, at(0)));
            let writes = [Write::AddUser(user.clone())].into_iter().chain(tokens.map(token));
            lines.push(commit(store, writes.collect()).await?.0);
        }
        for index in 0..2 {
            let talk = self.sessions[index].clone();
            let session = self.new_session(&talk);
            lines.push(commit(store, vec![added(&session)]).await?.0);
        }
        Ok(lines)
    }

    /// How many writes go into a set: mostly one, so that not too many sets fail.
    fn count(&mut self) -> u32 {
        if self.random.one_in(3) { 2 + self.random.below(2) } else { 1 }
    }

    async fn change_set(&mut self, store: &dyn Store) -> Result<String, StoreError> {
        let count = self.count();
        let writes = (0..count).map(|_| self.any_write()).collect();
        Ok(commit(store, writes).await?.0)
    }

    fn any_write(&mut self) -> Write {
        match self.random.below(26) {
            0 | 1 => Write::AddUser(self.new_user()),
            2 => Write::SetUser { user: self.new_user(), version: self.version() },
            3 => Write::BumpUser { id: self.user(), version: self.version() },
            4 | 5 => Write::AddToken(self.new_token()),
            6 => Write::RevokeToken { id: self.random.of(&self.tokens), user: self.user(), at: self.moment() },
            7 => Write::AddJob(self.new_job()),
            8 => Write::CompleteJob { id: self.random.of(&self.jobs), attempts: self.random.below(3) },
            9 => Write::RetryJob {
                id: self.random.of(&self.jobs),
                attempts: self.random.below(3),
                run_at: self.moment(),
                error: self.text(),
            },
            10 => Write::Remember(self.result()),
            11 | 12 => Write::AddMemory(self.new_memory()),
            13 => Write::RemoveMemory { id: self.random.of(&self.memories), user: self.user() },
            14 => {
                let ids = (0..self.random.below(4)).map(|_| self.random.of(&self.memories)).collect();
                Write::UseMemories { user: self.user(), ids, at: self.moment() }
            }
            15 | 16 => Write::AddShareLink(self.new_link()),
            17 | 18 => Write::UseShareLink { id: self.random.of(&self.links), at: self.moment() },
            19 => Write::RevokeShareLink { id: self.random.of(&self.links), session: self.session() },
            20..=24 => self.client_write(),
            _ => {
                let due_at = (!self.random.one_in(3)).then(|| self.moment());
                Write::SetDeadline { session: self.session(), due_at }
            }
        }
    }

    fn client_write(&mut self) -> Write {
        let (id, user, expires_at) = (self.random.of(&self.clients), self.user(), self.moment());
        match self.random.below(6) {
            0 => Write::RenewMcpSession { id, user, expires_at },
            1 => Write::SetMcpLogLevel { id, user, level: self.random.of(&McpLogLevel::ALL) },
            2 => Write::RemoveMcpSession { id, user },
            3 => Write::RemoveExpiredMcpSessions { at: expires_at, limit: 100 },
            _ => {
                let mut kept = KeptMcpSession { expires_at, ..client(id, &user, 0) };
                kept.session.capabilities = self.text();
                Write::AddMcpSession(kept)
            }
        }
    }

    fn version(&mut self) -> u64 {
        1 + u64::from(self.random.below(3))
    }

    fn new_job(&mut self) -> Job {
        let (session, generation) = (self.session(), self.random.below(3));
        let work = match self.random.one_in(2) {
            true => Work::StartSandbox { session, generation },
            false => Work::StopSandbox { session, generation, sandbox: None },
        };
        let node = self.random.one_in(3).then(|| node(1));
        Job { id: self.random.of(&self.jobs), work, node, attempts: 0, run_at: self.moment() }
    }

    fn new_memory(&mut self) -> Memory {
        let (id, user) = (self.random.of(&self.memories), self.user());
        Memory {
            category: self.random.of(&MemoryCategory::ALL),
            relevance: Relevance::from_tenths(self.random.below(21)),
            created_at: self.moment(),
            last_accessed_at: self.moment(),
            ..memory(id, &user, &self.text())
        }
    }

    fn result(&mut self) -> Remembered {
        Remembered {
            user: self.user(),
            key: self.random.of(&["key", "Key", "\u{1F511}"]).to_owned(),
            digest: self.text(),
            result: format!(r#"{{"b":{},"a":[ 1.0 ]}}"#, self.random.below(10)),
            created_at: self.moment(),
            expires_at: self.moment(),
        }
    }

    /// Changes of one session, as its engine makes them, sometimes with one that does not fit.
    async fn session_changes(&mut self, store: &dyn Store) -> Result<String, StoreError> {
        let index = self.random.below(u32::try_from(self.sessions.len()).unwrap_or(1)) as usize;
        let mut talk = self.sessions[index].clone();
        let count = self.count();
        let writes = (0..count).map(|_| self.session_write(&mut talk)).collect();
        let (line, commit) = commit(store, writes).await?;
        if commit == Commit::Done {
            self.sessions[index] = talk;
        }
        Ok(line)
    }

    fn session_write(&mut self, talk: &mut Talk) -> Write {
        match self.random.below(14) {
            0 | 1 => added(&self.new_session(talk)),
            // What the agent writes would be gone with its messages; a writer finishes it first.
            2 if talk.open.is_none() => Write::RemoveMessages { session: talk.id.clone(), limit: self.random.below(4) },
            // Few, since there is nothing to do in a session until it is added again.
            3 if self.random.one_in(4) => {
                (talk.open, talk.version) = (None, 1);
                Write::RemoveSession { id: talk.id.clone() }
            }
            4 => {
                let version = if self.random.one_in(4) { talk.version + 1 } else { talk.version };
                talk.version = version + 1;
                let mode = self.random.of(&[QueueMode::Followup, QueueMode::Steer, QueueMode::Collect]);
                let mut engine = Engine::new(talk.id.clone(), talk.owner.clone(), mode, self.moment());
                engine.seq = talk.seq;
                engine.runner.generation = self.random.below(3);
                Write::SetEngine { engine, version }
            }
            _ => Write::Session { id: talk.id.clone(), change: self.change(talk) },
        }
    }

    fn change(&mut self, talk: &mut Talk) -> Change {
        match self.random.below(14) {
            0..=3 => self.transcript_change(talk),
            4 => Change::QuestionAsked { question: self.question(talk), seq: next(talk) },
            5 => Change::QuestionClosed {
                id: self.random.of(&talk.questions),
                resolution: self.resolution(),
                expired: self.random.one_in(2),
                seq: next(talk),
            },
            6 => self.command(talk),
            7 => Change::SessionTouched {
                status: self.random.one_in(2).then(|| self.random.of(&SessionStatus::ALL)),
                error: self.random.one_in(3).then(|| self.text()),
                title: self.random.one_in(3).then(|| self.text()),
                at: self.moment(),
            },
            8 => Change::ParticipantSet(Participant {
                user: self.user(),
                role: self.participant_role(),
                added_by: self.user(),
                created_at: self.moment(),
                seq: next(talk),
            }),
            9 => Change::ParticipantRemoved { user: self.user() },
            10 => self.changed_files(talk),
            11 => self.git_state(talk),
            12 => Change::ModelsSet { models: offered(&self.text()), seq: next(talk), at: self.moment() },
            _ => {
                let mut entry = audit(self.ids.draw(), u64::from(self.random.below(12)));
                entry.actor = self.random.one_in(2).then(|| self.user());
                entry.summary = self.text();
                Change::Audited(entry)
            }
        }
    }

    fn changed_files(&mut self, talk: &mut Talk) -> Change {
        let paths = ["a", "b/c", "\u{1F511} \"d\"", "new\nline"];
        let mut files = Vec::new();
        for path in paths {
            if self.random.one_in(2) {
                files.push(file(path, self.random.of(&FileStatus::ALL), self.random.below(100)));
            }
        }
        Change::FilesChanged { files: files.into(), seq: next(talk), at: self.moment() }
    }

    fn git_state(&mut self, talk: &mut Talk) -> Change {
        let report = GitReport {
            branch: self.random.one_in(2).then(|| self.text()),
            base_branch: self.random.one_in(2).then(|| self.text()),
            commit_count: self.random.one_in(2).then(|| self.random.below(9)),
        };
        Change::GitStateChanged { report, seq: next(talk), at: self.moment() }
    }

    fn transcript_change(&mut self, talk: &mut Talk) -> Change {
        let Some(mut open) = talk.open.take() else {
            let id = self.random.of(&talk.messages);
            let position = next(talk);
            if self.random.one_in(8) {
                return Change::MessageRemoved { id, seq: position };
            }
            if self.random.one_in(8) {
                let first = position.saturating_sub(u64::from(self.random.below(8)));
                return Change::MessagesRemoved { first, last: first + u64::from(self.random.below(3)), seq: position };
            }
            if self.random.one_in(8) {
                let parts = vec![Part::Text { text: self.text() }];
                return Change::PartsReplaced { message: id, parts, seq: position };
            }
            if self.random.one_in(2) {
                let mut message = note(id, position);
                message.content = self.text();
                message.role = self.random.of(&[MessageRole::System, MessageRole::User, MessageRole::User]);
                return Change::MessageAdded(message);
            }
            let open = OpenMessage::new(id, position, self.moment());
            let snapshot = open.snapshot(position);
            talk.open = Some(open);
            return Change::MessageAdded(snapshot);
        };
        if self.random.one_in(4) {
            let reason = self.random.of(&[FinishReason::EndTurn, FinishReason::Error, FinishReason::Canceled]);
            return Change::MessageFinished(open.finish(next(talk), reason, Some(self.text())));
        }
        let change = self.open_change(talk, &mut open);
        talk.open = Some(open);
        change
    }

    fn open_change(&mut self, talk: &mut Talk, open: &mut OpenMessage) -> Change {
        let set = match self.random.below(4) {
            0 => {
                let status = self.random.of(&[ToolStatus::Pending, ToolStatus::Running, ToolStatus::Completed]);
                let id = self.random.of(&["one", "two"]);
                open.set_tool(tool_call(id, status))
            }
            1 => {
                let entry = |content| PlanEntry { content, status: "pending".to_owned(), priority: "low".to_owned() };
                open.set_plan(vec![entry(self.text())])
            }
            _ => {
                let kind = self.random.of(&[TextKind::Text, TextKind::Reasoning]);
                let text = format!("{} ", self.text());
                if let Some(segment) = open.append(kind, &text) {
                    return Change::TextAppended(segment);
                }
                None
            }
        };
        match set {
            Some((index, part)) => Change::PartSet { message: open.id.clone(), index, part, seq: next(talk) },
            // It is full: the next one finishes it.
            None => Change::Audited(audit(self.ids.draw(), next(talk) + 100)),
        }
    }

    fn question(&mut self, talk: &Talk) -> Question {
        let choice = Choice { id: "yes".to_owned(), label: self.text(), kind: ChoiceKind::AllowOnce };
        Question::asked(self.random.of(&talk.questions), &self.text(), vec![choice], self.moment())
    }

    fn resolution(&mut self) -> Resolution {
        match self.random.below(3) {
            0 => Resolution::Selected { choice: "yes".to_owned() },
            1 => Resolution::Text { text: self.text() },
            _ => Resolution::Cancelled,
        }
    }

    fn command(&mut self, talk: &Talk) -> Change {
        let (generation, number) = (1 + self.random.below(2), 1 + u64::from(self.random.below(30)));
        let prompt = self.random.of(&talk.messages);
        let command = match self.random.below(4) {
            0 => return Change::CommandsTaken { generation, number },
            1 => Command::Abort { prompt },
            2 => Command::Answer { question: self.random.of(&talk.questions), resolution: self.resolution() },
            _ => {
                let earlier = (0..self.random.below(3)).map(|_| self.random.of(&talk.messages)).collect();
                Command::Prompt { prompt, earlier, model: self.random.one_in(2).then(|| self.text()) }
            }
        };
        Change::CommandGiven { generation, number, command }
    }

    async fn claim(&mut self, store: &dyn Store) -> Result<String, StoreError> {
        if self.random.one_in(6) {
            store.release_leases(None).await?;
            return Ok("leases released".to_owned());
        }
        let (on, now, until) = (1 + self.node_number(), self.moment(), self.moment());
        let limit = 1 + self.random.below(3);
        let jobs = store.claim_jobs(&node(on), now, until, limit).await?;
        Ok(format!("claim of {limit} by {on} at {now} until {until} => {jobs:?}"))
    }

    fn node_number(&mut self) -> u8 {
        u8::try_from(self.random.below(2)).unwrap_or_default()
    }

    async fn nodes(&mut self, store: &dyn Store) -> Result<String, StoreError> {
        let (on, moment) = (1 + self.node_number(), self.moment());
        let what = match self.random.below(4) {
            0 => {
                store.leave(&node(on)).await?;
                "left"
            }
            1 => {
                store.forget_node(&node(on), moment).await?;
                "was forgotten"
            }
            _ => {
                store.be_there(&node(on), moment).await?;
                "is there"
            }
        };
        Ok(format!("node {on} {what} at {moment}"))
    }

    async fn sockets(&mut self, store: &dyn Store) -> Result<String, StoreError> {
        let on = 1 + self.node_number();
        let number = 1 + u64::from(self.random.below(5));
        if self.random.one_in(3) {
            store.remove_sockets(&node(on), &[number, number + 1]).await?;
            return Ok(format!("sockets {number} and the next of {on} are closed"));
        }
        let socket = OpenSocket { node: node(on), number, session: self.session(), user: self.user() };
        store.add_sockets(std::slice::from_ref(&socket)).await?;
        Ok(format!("{socket:?}"))
    }
}

/// Commits writes, and tells what came of it.
async fn commit(store: &dyn Store, writes: Vec<Write>) -> Result<(String, Commit), StoreError> {
    let line = format!("{writes:?}");
    let commit = store.commit(set(writes)).await?;
    Ok((format!("{line} => {commit:?}"), commit))
}

fn next(talk: &mut Talk) -> u64 {
    talk.seq += 1;
    talk.seq
}
