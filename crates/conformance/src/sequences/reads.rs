//! Random reads.

use portway_domain::memories::MAX_MEMORIES;
use portway_domain::search::Query;
use portway_domain::sessions::SessionStatus;
use portway_domain::sharing::ShareToken;
use portway_domain::tokens::TokenHash;
use portway_ports::children::ChildFilter;
use portway_ports::memories::MemoryFilter;
use portway_ports::pages::PageRequest;
use portway_ports::search::MessageSearch;
use portway_ports::sessions::{AuditPage, MessageRange, SessionFilter};
use portway_ports::{Store, StoreError};

use super::cast::Cast;
use crate::samples::node;

/// Reads there are.
const KINDS: u32 = 29;

const QUERIES: [&str; 6] = ["fix", "\"the build\"", "app*", "cafe", "天気", "build -crab"];

impl Cast {
    /// One read.
    pub(super) async fn read(&mut self, store: &dyn Store) -> Result<String, StoreError> {
        let kind = self.random.below(KINDS);
        self.read_kind(store, kind).await
    }

    /// Every kind of read, several times.
    pub(super) async fn read_all(&mut self, store: &dyn Store) -> Result<Vec<String>, StoreError> {
        let mut lines = Vec::new();
        for kind in (0..KINDS).flat_map(|kind| [kind; 4]) {
            lines.push(self.read_kind(store, kind).await?);
        }
        Ok(lines)
    }

    async fn read_kind(&mut self, store: &dyn Store, kind: u32) -> Result<String, StoreError> {
        let caller = TokenHash::of(self.random.of(&self.tokens).as_str());
        let (session, user, now) = (self.session(), self.user(), self.moment());
        let limit = 1 + self.random.below(5);
        let key = self.random.one_in(2).then_some("key");
        let answer = match kind {
            0 => format!("{:?}", store.user(&user).await?),
            1 => format!("{:?}", store.caller(&caller).await?),
            2 => format!("{:?}", store.tokens(&caller, limit).await?),
            3 => self.pages(store, &caller, limit).await?,
            4 => format!("{:?}", store.session(&caller, &session).await?),
            5 => format!("{:?}", store.session_overview(&caller, &session).await?),
            6 => format!("{:?}", store.opening(&caller, key, now).await?),
            7 => format!("{:?}", store.session_state(&caller, &session, key, now).await?),
            8 => {
                let page = AuditPage { after: u64::from(self.random.below(12)), limit, event_type: None };
                let audit = store.audit_log(&caller, &session, page).await?;
                format!("{:?} {audit:?}", store.transcript(&caller, &session, limit).await?)
            }
            9 => {
                let range = MessageRange { after: u64::from(self.random.below(20)), limit };
                format!("{:?}", store.messages(&caller, &session, range).await?)
            }
            10 => {
                let talk = self.random.of(&self.sessions);
                let message = self.random.of(&talk.messages);
                let position = store.message_position(&talk.id, &message).await?;
                format!("{position:?} {:?}", store.message(&talk.id, &message).await?)
            }
            11 => format!("{:?}", store.engine(&session).await?),
            12 => {
                let after = u64::from(self.random.below(5));
                format!("{:?}", store.pending_commands(&session, 1, after, limit).await?)
            }
            13 => format!("{:?}", store.sessions_with_sandbox(Some(&session), limit).await?),
            14 => format!("{:?}", store.due_sessions(now, limit).await?),
            15 => format!("{:?} {:?}", store.next_deadline().await?, store.next_job_at(&node(1), now).await?),
            16 => self.found_memories(store, &caller, limit).await?,
            17 => format!("{:?}", store.remembering(&caller, key, now).await?),
            18 => self.found_messages(store, &caller).await?,
            19 => format!("{:?} {:?}", store.count_sessions().await?, store.pending_jobs(limit).await?),
            20 => format!("{:?}", store.overdue_sessions(now, limit).await?),
            21 => {
                let link = ShareToken::new([self.number(); 32]);
                let links = store.share_links(&caller, &session).await?;
                format!("{links:?} {:?}", store.share_link(&caller, &link).await?)
            }
            22 => {
                let found = store.user_by_email("ada@example.org").await?;
                format!("{:?} {found:?}", store.participants(&caller, &session).await?)
            }
            23 => {
                let filter = self.child_filter();
                let page = PageRequest::new(limit, None);
                let own = store.children_of(&session, filter, page.clone()).await?;
                format!("{own:?} {:?}", store.children(&caller, &session, filter, page).await?)
            }
            24 => {
                let newest = store.newest_messages(&session, limit).await?;
                format!("{newest:?} {:?}", store.family(&session, key, now).await?)
            }
            25 => {
                let git = store.git_state(&caller, &session).await?;
                format!("{git:?} {:?}", store.changed_files(&caller, &session).await?)
            }
            26 => format!("{:?}", store.available_models(&caller).await?),
            27 => {
                let id = self.random.of(&self.clients);
                let expired = store.has_expired_mcp_sessions(now).await?;
                format!("{:?} {expired}", store.mcp_session(&caller, &id, now).await?)
            }
            _ => {
                let nodes = store.lost_nodes(now).await?;
                let sockets = store.sockets_of_node(&node(1), 0, limit).await?;
                let present = store.present_elsewhere(&session, &node(2), now).await?;
                format!("{nodes:?} {sockets:?} {present:?}")
            }
        };
        Ok(format!("read {kind} => {answer}"))
    }

    fn child_filter(&mut self) -> ChildFilter {
        let status = self.random.of(&SessionStatus::ALL);
        self.random.of(&[ChildFilter::All, ChildFilter::Live, ChildFilter::Status(status)])
    }

    /// All pages of a list.
    async fn pages(&mut self, store: &dyn Store, caller: &TokenHash, limit: u32) -> Result<String, StoreError> {
        let status = self.random.one_in(2).then(|| self.random.of(&SessionStatus::ALL));
        let filter = SessionFilter { status, ..SessionFilter::default() };
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let page = store.sessions(caller, filter, PageRequest::new(limit, after)).await?;
            after = page.value.next.clone();
            pages.push(page);
            if after.is_none() {
                return Ok(format!("{pages:?}"));
            }
        }
    }

    async fn found_memories(
        &mut self,
        store: &dyn Store,
        caller: &TokenHash,
        limit: u32,
    ) -> Result<String, StoreError> {
        let all = MemoryFilter::new(None, None, limit);
        let query = Query::parse(self.random.of(&QUERIES));
        let searched = MemoryFilter::new(None, Some(query), MAX_MEMORIES);
        let listed = store.memories(caller, &all).await?;
        // Which come first is a matter of each index.
        let mut found = store.memories(caller, &searched).await?.value;
        found.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(format!("{listed:?} {found:?}"))
    }

    async fn found_messages(&mut self, store: &dyn Store, caller: &TokenHash) -> Result<String, StoreError> {
        let search = MessageSearch::new(Query::parse(self.random.of(&QUERIES)), None, 100);
        let found = store.search_messages(caller, &search).await?.value;
        let mut found: Vec<_> = found.into_iter().map(|hit| hit.value).collect();
        found.sort_by(|one, other| (&one.session, &one.message).cmp(&(&other.session, &other.message)));
        Ok(format!("{found:?} {:?}", store.unindexed_messages(10).await?))
    }
}
