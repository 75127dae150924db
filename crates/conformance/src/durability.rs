//! What is there after the store was closed and opened again.

use portway_domain::engine::{Change, Command};
use portway_domain::jobs::{Job, Work};
use portway_domain::search::Query;
use portway_ports::commit::Write;
use portway_ports::memories::MemoryFilter;
use portway_ports::search::MessageSearch;

use crate::engines::busy;
use crate::failure::Outcome;
use crate::fixture::{Fixture, at};
use crate::idempotency::remembered;
use crate::mcp_sessions::client;
use crate::memories::memory;
use crate::samples::{audit, node, opened, prompt, segment};

pub(crate) async fn a_reopened_store_has_everything(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let asked = prompt(f.id(), 1, "Hi", &ada.user);
    let open = opened(f.id(), 2);
    let command = Command::Prompt { prompt: asked.id.clone(), earlier: Vec::new(), model: None };
    let engine = busy(&f, &session)?;
    f.done([Write::SetEngine { engine, version: 1 }]).await?;
    let text = segment(&open.id, "text");
    let changes = [
        Change::MessageAdded(asked),
        Change::MessageAdded(open),
        Change::TextAppended(text),
        Change::Audited(audit(f.id(), 3)),
        Change::CommandGiven { generation: 3, number: 1, command },
    ];
    f.changed(&session.id, changes).await?;
    let work = Work::StartSandbox { session: session.id.clone(), generation: 3 };
    let mcp = client(f.id(), &ada.user.id, 60);
    f.done([
        Write::AddJob(Job { id: f.id(), work, node: None, attempts: 0, run_at: at(0) }),
        Write::SetDeadline { session: session.id.clone(), due_at: Some(at(8)) },
        Write::Remember(remembered(&ada, "key", 0, 60)),
        Write::AddMemory(memory(f.id(), &ada.user.id, "Hi again")),
        Write::AddMcpSession(mcp.clone()),
    ])
    .await?;
    check_eq!(f.store.claim_jobs(&node(1), at(0), at(60), 1).await?.len(), 1);
    let opening = f.store.opening(ada.hash(), Some("key"), at(1)).await?;
    let transcript = f.store.transcript(ada.hash(), &session.id, 10).await?;
    let pending = f.store.pending_commands(&session.id, 3, 0, 10).await?;
    check!(transcript.value.is_some() && pending.len() == 1);
    let search = MessageSearch::new(Query::parse("hi"), None, 10);
    let found = f.store.search_messages(ada.hash(), &search).await?;
    let filter = MemoryFilter::new(None, Some(Query::parse("hi")), 10);
    let memories = f.store.memories(ada.hash(), &filter).await?;
    check!(found.value.len() == 1 && memories.value.len() == 1);

    let f = f.reopen().await?;
    check_eq!(f.store.opening(ada.hash(), Some("key"), at(1)).await?, opening);
    check_eq!(f.store.transcript(ada.hash(), &session.id, 10).await?, transcript);
    check_eq!(f.store.pending_commands(&session.id, 3, 0, 10).await?, pending);
    check_eq!(f.store.due_sessions(at(8), 10).await?, [session.id]);
    check_eq!(f.store.next_job_at(&node(1), at(0)).await?, Some(at(60)));
    check_eq!(f.store.search_messages(ada.hash(), &search).await?, found);
    check_eq!(f.store.memories(ada.hash(), &filter).await?, memories);
    check_eq!(f.store.mcp_session(ada.hash(), &mcp.session.id, at(0)).await?.value, Some(mcp));
    Ok(())
}

pub(crate) async fn a_reopened_store_guards_the_same_versions(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let bump = |version| Write::BumpUser { id: ada.user.id.clone(), version };
    f.done([bump(1)]).await?;
    let f = f.reopen().await?;
    f.refused(bump(1)).await?;
    f.refused(Write::AddUser(ada.user.clone())).await?;
    f.done([bump(2)]).await
}
