//! What those see who are nobody, or somebody else.

use portway_domain::engine::Change;
use portway_domain::search::Query;
use portway_domain::sessions::Session;
use portway_domain::tokens::{TokenHash, TokenKind};
use portway_ports::commit::{Remembered, Write};
use portway_ports::memories::MemoryFilter;
use portway_ports::pages::{Page, PageRequest};
use portway_ports::search::MessageSearch;
use portway_ports::sessions::{MessageRange, Ownership, SessionFilter};

use crate::failure::Outcome;
use crate::fixture::{Fixture, Person, at};
use crate::memories::memory;
use crate::samples::{audit, opened, prompt, segment, token};

const ALL: MessageRange = MessageRange { after: 0, limit: 100 };

/// A session with something in every table.
async fn busy_session(f: &Fixture, owner: &Person) -> Outcome<Session> {
    let session = f.session(owner).await?;
    let open = opened(f.id(), 2);
    let text = segment(&open.id, "secret");
    let changes = [
        Change::MessageAdded(prompt(f.id(), 1, "secret", &owner.user)),
        Change::MessageAdded(open),
        Change::TextAppended(text),
        Change::Audited(audit(f.id(), 3)),
    ];
    f.changed(&session.id, changes).await?;
    let remembered = Remembered {
        user: owner.user.id.clone(),
        key: "key".to_owned(),
        digest: String::new(),
        result: "secret".to_owned(),
        created_at: at(0),
        expires_at: at(60),
    };
    let key = token(f.id(), &owner.user.id, "key", TokenKind::Api, at(0));
    let memory = memory(f.id(), &owner.user.id, "secret");
    f.done([Write::Remember(remembered), Write::AddToken(key), Write::AddMemory(memory)]).await?;
    Ok(session)
}

async fn sees_nothing(f: &Fixture, hash: &TokenHash, session: &Session) -> Outcome {
    let store = &f.store;
    let list = store.sessions(hash, SessionFilter::default(), PageRequest::new(10, None)).await?;
    check_eq!((list.caller, list.value), (None, Page::empty()));
    let one = store.session(hash, &session.id).await?;
    check_eq!((one.caller, one.value), (None, None));
    let overview = store.session_overview(hash, &session.id).await?;
    check_eq!((overview.caller, overview.value), (None, None));
    let opening = store.opening(hash, Some("key"), at(1)).await?;
    check_eq!((opening.caller, opening.value), (None, None));
    let state = store.session_state(hash, &session.id, Some("key"), at(1)).await?;
    check_eq!((state.caller, state.value), (None, None));
    let transcript = store.transcript(hash, &session.id, 10).await?;
    check_eq!((transcript.caller, transcript.value), (None, None));
    let messages = store.messages(hash, &session.id, ALL).await?;
    check_eq!((messages.caller, messages.value), (None, None));
    check_eq!(store.principal(hash).await?, None);
    let user = store.caller(hash).await?;
    check_eq!((user.caller, user.value), (None, None));
    let tokens = store.tokens(hash, 10).await?;
    check_eq!((tokens.caller, tokens.value), (None, Vec::new()));
    let found = store.search_messages(hash, &MessageSearch::new(Query::parse("secret"), None, 10)).await?;
    check_eq!((found.caller, found.value), (None, Vec::new()));
    let nothing = store.search_messages(hash, &MessageSearch::new(Query::default(), None, 10)).await?;
    check_eq!((nothing.caller, nothing.value), (None, Vec::new()));
    for query in [None, Some(Query::parse("secret")), Some(Query::default())] {
        let memories = store.memories(hash, &MemoryFilter::new(None, query, 10)).await?;
        check_eq!((memories.caller, memories.value), (None, Vec::new()));
    }
    let needed = store.remembering(hash, Some("key"), at(1)).await?;
    check_eq!((needed.caller, needed.value), (None, None));
    Ok(())
}

pub(crate) async fn an_unknown_token_sees_nothing(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = busy_session(&f, &ada).await?;
    for unknown in [TokenHash::of("unknown"), TokenHash::from_stored(String::new())] {
        sees_nothing(&f, &unknown, &session).await?;
    }
    Ok(())
}

pub(crate) async fn a_revoked_token_sees_nothing(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = busy_session(&f, &ada).await?;
    let second = token(f.id(), &ada.user.id, "second", TokenKind::Login, at(0));
    f.done([Write::AddToken(second.clone())]).await?;
    check!(f.store.session(ada.hash(), &session.id).await?.value.is_some());
    let revoke = Write::RevokeToken { id: ada.token.id.clone(), user: ada.user.id.clone(), at: at(1) };
    f.done([revoke]).await?;
    sees_nothing(&f, ada.hash(), &session).await?;
    check!(f.store.session(&second.hash, &session.id).await?.value.is_some());
    Ok(())
}

pub(crate) async fn somebody_elses_session_has_no_role_and_no_contents(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let session = busy_session(&f, &ada).await?;
    let hash = bob.hash();
    let access = f.store.session(hash, &session.id).await?;
    check_eq!(access.caller.map(|caller| caller.user), Some(bob.user.id.clone()));
    check_eq!(access.value.map(|access| (access.session, access.role)), Some((session.clone(), None)));
    let overview = f.store.session_overview(hash, &session.id).await?.value;
    check_eq!(overview.map(|overview| overview.access.role), Some(None));
    let state = f.store.session_state(hash, &session.id, Some("key"), at(1)).await?.value;
    let state = state.map(|state| (state.access.role, state.engine.value.open, state.remembered));
    check_eq!(state, Some((None, None, None)));
    let transcript = f.store.transcript(hash, &session.id, 10).await?.value;
    let transcript = transcript.map(|all| (all.access.role, all.engine.value.open, all.messages, all.audit));
    check_eq!(transcript, Some((None, None, Vec::new(), Vec::new())));
    let messages = f.store.messages(hash, &session.id, ALL).await?.value;
    check_eq!(messages.map(|(access, messages)| (access.role, messages)), Some((None, Vec::new())));
    Ok(())
}

pub(crate) async fn somebody_elses_sessions_are_in_no_list(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    busy_session(&f, &ada).await?;
    for ownership in [Ownership::All, Ownership::Mine, Ownership::Shared] {
        let filter = SessionFilter { status: None, ownership };
        let page = f.store.sessions(bob.hash(), filter, PageRequest::new(10, None)).await?.value;
        check_eq!(page, Page::empty());
    }
    let opening = f.store.opening(bob.hash(), Some("key"), at(1)).await?.value;
    check_eq!(opening.map(|opening| (opening.active, opening.remembered)), Some((0, None)));
    check_eq!(f.store.tokens(bob.hash(), 10).await?.value, Vec::new());
    Ok(())
}
