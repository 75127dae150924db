//! A store with a session that has something in every table.

use std::sync::Arc;

use portway_adapters_sqlite::SqliteDatabase;
use portway_domain::access::Role;
use portway_domain::engine::{AuditEntry, Change, Command, Engine};
use portway_domain::ids::{IdStream, MemoryId, MessageId, SessionId, UserId};
use portway_domain::jobs::{Job, Work};
use portway_domain::memories::{Memory, MemoryCategory, Relevance};
use portway_domain::messages::{Author, Message, MessageRole, Part, PlanEntry, Segment, TextKind};
use portway_domain::questions::Question;
use portway_domain::sessions::{QueueMode, Session, SessionStatus};
use portway_domain::time::Timestamp;
use portway_domain::tokens::{AccessToken, TokenHash, TokenKind};
use portway_domain::users::User;
use portway_domain::workspaces::{FileChange, FileStatus, GitReport};
use portway_ports::commit::{ChangeSet, Commit, Committer, Write};
use portway_sql::SqlStore;
use portway_sql::driver::{Read, SqlDriver, Statement, Step, WriteOutcome};
use portway_sql::migrations::SQLITE;

/// The moment at which everything happens.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(0)
}

fn changed() -> FileChange {
    FileChange { path: "README.md".to_owned(), status: FileStatus::Added, additions: 1, deletions: 0 }
}

pub(crate) struct Fixture {
    pub(crate) database: Arc<SqliteDatabase>,
    pub(crate) store: SqlStore,
    pub(crate) user: UserId,
    pub(crate) caller: TokenHash,
    pub(crate) session: SessionId,
    pub(crate) open: MessageId,
}

fn text(sql: &str) -> Statement {
    Statement { text: sql.to_owned().into(), args: Vec::new() }
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::on(Arc::new(SqliteDatabase::in_memory().unwrap())).await
    }

    /// The same in that database.
    pub(crate) async fn on(database: Arc<SqliteDatabase>) -> Self {
        database.migrate(SQLITE).await.unwrap();
        let mut ids = IdStream::new(now(), [3; 32]);
        let user = User::new(ids.draw(), "ada@example.org".to_owned(), Role::Member, now());
        let fixture = Self {
            store: SqlStore::new(database.clone()),
            database,
            user: user.id.clone(),
            caller: TokenHash::of("secret"),
            session: ids.draw(),
            open: ids.draw(),
        };
        let token = AccessToken {
            id: ids.draw(),
            user: user.id.clone(),
            kind: TokenKind::Api,
            name: "key".to_owned(),
            prefix: "sk".to_owned(),
            hash: fixture.caller.clone(),
            created_at: now(),
            expires_at: None,
        };
        let work = Work::StopSandbox { session: fixture.session.clone(), generation: 1, sandbox: None };
        let prompt: MessageId = ids.draw();
        fixture.commit([Write::AddUser(user.clone()), Write::AddToken(token), fixture.added(&user)]).await;
        fixture.commit([Write::AddJob(Job { id: ids.draw(), work, node: None, attempts: 0, run_at: now() })]).await;
        let entry = AuditEntry {
            id: ids.draw(),
            seq: 1,
            event_type: "user.prompt".to_owned(),
            summary: String::new(),
            actor: None,
            created_at: now(),
        };
        let author = Author { id: user.id, email: user.email, name: None, avatar_url: None };
        let asked = Question::asked(ids.draw(), "May I?", Vec::new(), now());
        fixture
            .changed([
                Change::MessageAdded(message(&prompt, 1, MessageRole::User, Some(author))),
                Change::MessageAdded(fixture.opened()),
                fixture.segment(0, "one"),
                fixture.segment(3, "two"),
                Change::PartSet { message: fixture.open.clone(), index: 1, part: plan(), seq: 3 },
                Change::QuestionAsked { question: asked, seq: 2 },
                Change::Audited(entry),
                Change::FilesChanged { files: vec![changed()].into(), seq: 4, at: now() },
                Change::GitStateChanged { report: GitReport::default(), seq: 5, at: now() },
                fixture.given(1, 1),
                fixture.given(1, 2),
            ])
            .await;
        fixture
    }

    fn added(&self, owner: &User) -> Write {
        let session = Session {
            id: self.session.clone(),
            owner: owner.id.clone(),
            workspace: "portway".to_owned(),
            status: SessionStatus::Running,
            title: None,
            agent: "claude".to_owned(),
            directory: None,
            metadata: None,
            error_message: None,
            created_at: now(),
            last_active_at: now(),
            parent: None,
        };
        let engine = Engine::new(session.id.clone(), owner.id.clone(), QueueMode::Followup, now());
        Write::AddSession { session, engine }
    }

    pub(crate) fn opened(&self) -> Message {
        message(&self.open, 2, MessageRole::Assistant, None)
    }

    /// A message that is finished.
    pub(crate) fn finished(&self, id: &str, position: u64, role: MessageRole) -> Message {
        message(&MessageId::parse(id).unwrap(), position, role, None)
    }

    /// A memory of the session's owner.
    pub(crate) fn memory(&self, content: &str) -> Memory {
        Memory {
            id: MemoryId::parse("m1").unwrap(),
            user: self.user.clone(),
            category: MemoryCategory::General,
            content: content.to_owned(),
            relevance: Relevance::NEW,
            created_at: now(),
            last_accessed_at: now(),
        }
    }

    fn segment(&self, offset: u64, text: &str) -> Change {
        Change::TextAppended(Segment {
            message: self.open.clone(),
            part: 0,
            kind: TextKind::Text,
            offset,
            text: text.to_owned(),
        })
    }

    pub(crate) fn given(&self, generation: u32, number: u64) -> Change {
        Change::CommandGiven { generation, number, command: Command::Abort { prompt: self.open.clone() } }
    }

    pub(crate) async fn commit(&self, writes: impl IntoIterator<Item = Write>) {
        let changes = writes.into_iter().fold(ChangeSet::new(), ChangeSet::with);
        assert_eq!(self.store.commit(changes).await, Ok(Commit::Done));
    }

    pub(crate) async fn changed(&self, changes: impl IntoIterator<Item = Change>) {
        let writes = changes.into_iter().map(|change| Write::Session { id: self.session.clone(), change });
        self.commit(writes.collect::<Vec<_>>()).await;
    }

    /// Runs SQL behind the back of the store; it has to touch a row.
    pub(crate) async fn run(&self, sql: &str) {
        let outcome = self.database.write(vec![Step::guarded(text(sql))]).await.unwrap();
        assert!(matches!(outcome, WriteOutcome::Committed(_)), "{sql}");
    }

    /// How many rows a table has.
    pub(crate) async fn rows(&self, table: &str) -> i64 {
        let count = text(&format!("SELECT count(*) AS n FROM {table}"));
        self.database.read(Read::bounded(vec![count])).await.unwrap()[0][0].get("n").unwrap()
    }
}

fn message(id: &MessageId, position: u64, role: MessageRole, author: Option<Author>) -> Message {
    Message {
        id: id.clone(),
        seq: position,
        position,
        role,
        content: String::new(),
        parts: Vec::new(),
        author,
        channel: None,
        created_at: now(),
    }
}

fn plan() -> Part {
    let [content, status, priority] = ["build", "pending", "high"].map(str::to_owned);
    Part::Plan { entries: vec![PlanEntry { content, status, priority }] }
}
