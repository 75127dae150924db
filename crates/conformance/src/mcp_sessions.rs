//! Sessions of MCP clients.

use portway_domain::ids::UserId;
use portway_domain::mcp::{MAX_CAPABILITIES_BYTES, MAX_MCP_SESSIONS, McpLogLevel, McpSession, McpSessionId};
use portway_ports::StoreError;
use portway_ports::commit::{Commit, Write};
use portway_ports::mcp_sessions::KeptMcpSession;

use crate::failure::Outcome;
use crate::fixture::{Fixture, Person, at, set};

/// A session that expires at a time, with defaults everywhere else.
pub(crate) fn client(id: McpSessionId, user: &UserId, expires: i64) -> KeptMcpSession {
    let (revision, capabilities) = ("2025-11-25".to_owned(), r#"{ "roots": {}, "a":1.0}"#.to_owned());
    let session = McpSession { id, revision, capabilities, log_level: None };
    KeptMcpSession { session, user: user.clone(), expires_at: at(expires) }
}

/// Adds sessions that expire at these times, each in a set of its own.
async fn added(f: &Fixture, owner: &Person, expiries: &[i64]) -> Outcome<Vec<KeptMcpSession>> {
    let mut all = Vec::new();
    for expires in expiries {
        let one = client(f.id(), &owner.user.id, *expires);
        f.done([Write::AddMcpSession(one.clone())]).await?;
        all.push(one);
    }
    Ok(all)
}

async fn found(f: &Fixture, caller: &Person, id: &McpSessionId, now: i64) -> Outcome<Option<KeptMcpSession>> {
    Ok(f.store.mcp_session(caller.hash(), id, at(now)).await?.value)
}

/// When those expire that are still there.
async fn expiries(f: &Fixture, owner: &Person, of: &[KeptMcpSession]) -> Outcome<Vec<i64>> {
    let mut expiries = Vec::new();
    for one in of {
        if let Some(kept) = found(f, owner, &one.session.id, -1).await? {
            expiries.push((kept.expires_at.as_millis() - at(0).as_millis()) / 1_000);
        }
    }
    Ok(expiries)
}

fn renew(of: &KeptMcpSession, expires: i64) -> Write {
    Write::RenewMcpSession { id: of.session.id.clone(), user: of.user.clone(), expires_at: at(expires) }
}

fn set_level(of: &KeptMcpSession, level: McpLogLevel) -> Write {
    Write::SetMcpLogLevel { id: of.session.id.clone(), user: of.user.clone(), level }
}

fn remove(of: &KeptMcpSession) -> Write {
    Write::RemoveMcpSession { id: of.session.id.clone(), user: of.user.clone() }
}

pub(crate) async fn a_session_is_found_until_it_expires(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let mut kept = client(f.id(), &ada.user.id, 60);
    kept.session.capabilities = format!("{{\"\u{1F511} ~ \\u0000\":\"{}\"}}", "x".repeat(MAX_CAPABILITIES_BYTES));
    f.done([Write::AddMcpSession(kept.clone())]).await?;
    for (now, live) in [(0, true), (59, true), (60, false), (61, false)] {
        let expected = live.then(|| kept.clone());
        check_eq!(found(&f, &ada, &kept.session.id, now).await?, expected, "at {now}");
    }
    let seen = f.store.mcp_session(ada.hash(), &kept.session.id, at(60)).await?;
    check_eq!(seen.caller.map(|caller| caller.user), Some(ada.user.id.clone()));
    check_eq!(found(&f, &ada, &f.id(), 0).await?, None);
    Ok(())
}

pub(crate) async fn a_session_is_added_once_and_needs_its_user(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let kept = client(f.id(), &ada.user.id, 60);
    f.done([Write::AddMcpSession(kept.clone())]).await?;
    f.refused(Write::AddMcpSession(KeptMcpSession { expires_at: at(90), ..kept.clone() })).await?;
    f.refused(Write::AddMcpSession(client(f.id(), &f.id(), 60))).await?;
    check_eq!(found(&f, &ada, &kept.session.id, 0).await?, Some(kept));
    Ok(())
}

pub(crate) async fn somebody_elses_sessions_are_nowhere(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let hers = client(f.id(), &ada.user.id, 60);
    f.done([Write::AddMcpSession(hers.clone())]).await?;
    check_eq!(found(&f, &bob, &hers.session.id, 0).await?, None);
    let as_his = KeptMcpSession { user: bob.user.id.clone(), ..hers.clone() };
    for write in [renew(&as_his, 90), set_level(&as_his, McpLogLevel::Debug), remove(&as_his)] {
        f.refused(write).await?;
    }
    check_eq!(found(&f, &ada, &hers.session.id, 0).await?, Some(hers.clone()));
    f.done([Write::RevokeToken { id: ada.token.id.clone(), user: ada.user.id.clone(), at: at(1) }]).await?;
    let seen = f.store.mcp_session(ada.hash(), &hers.session.id, at(0)).await?;
    check_eq!((seen.caller, seen.value), (None, None));
    Ok(())
}

pub(crate) async fn every_change_is_read_back(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let [mut one, other] = [client(f.id(), &ada.user.id, 60), client(f.id(), &ada.user.id, 60)];
    f.done([Write::AddMcpSession(one.clone()), Write::AddMcpSession(other.clone())]).await?;
    for level in McpLogLevel::ALL {
        f.done([set_level(&one, level)]).await?;
        one.session.log_level = Some(level);
        check_eq!(found(&f, &ada, &one.session.id, 0).await?, Some(one.clone()));
    }
    f.done([renew(&one, 90)]).await?;
    one.expires_at = at(90);
    check_eq!(found(&f, &ada, &one.session.id, 89).await?, Some(one));
    check_eq!(found(&f, &ada, &other.session.id, 59).await?, Some(other));
    Ok(())
}

pub(crate) async fn a_removed_session_is_gone(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let all = added(&f, &ada, &[60, 70]).await?;
    f.done([remove(&all[0])]).await?;
    check_eq!(found(&f, &ada, &all[0].session.id, 0).await?, None);
    for write in [renew(&all[0], 90), set_level(&all[0], McpLogLevel::Debug), remove(&all[0])] {
        f.refused(write).await?;
    }
    check_eq!(expiries(&f, &ada, &all).await?, [70]);
    Ok(())
}

pub(crate) async fn the_one_that_expires_first_makes_room(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let his = added(&f, &bob, &[1]).await?;
    let many = 1_000..1_000 + i64::from(MAX_MCP_SESSIONS) - 4;
    let old = added(&f, &ada, &[20, 10, 30, 30]).await?;
    let others = added(&f, &ada, &many.collect::<Vec<_>>()).await?;
    check_eq!(expiries(&f, &ada, &old).await?, [20, 10, 30, 30]);
    added(&f, &ada, &[2_000]).await?;
    check_eq!(expiries(&f, &ada, &old).await?, [20, 30, 30]);
    // Nothing goes for one that does not come.
    f.refused(Write::AddMcpSession(others[0].clone())).await?;
    check_eq!(expiries(&f, &ada, &old).await?, [20, 30, 30]);
    f.done([renew(&old[0], 3_000)]).await?;
    added(&f, &ada, &[2_000]).await?;
    check_eq!(expiries(&f, &ada, &old).await?, [3_000, 30]);
    check_eq!(found(&f, &ada, &old[2].session.id, 0).await?, None);
    // The new one stays, however soon it expires.
    let new = added(&f, &ada, &[5]).await?;
    check_eq!(expiries(&f, &ada, &new).await?, [5]);
    check_eq!(expiries(&f, &ada, &old).await?, [3_000]);
    check_eq!(expiries(&f, &ada, &others).await?.len(), others.len());
    check_eq!(expiries(&f, &bob, &his).await?, [1]);
    Ok(())
}

/// Many are added at once where there is room for a few.
pub(crate) async fn many_at_once_keep_to_the_limit(f: Fixture) -> Outcome {
    const MANY: usize = 16;
    let ada = f.person("ada").await?;
    let old = added(&f, &ada, &vec![60; MAX_MCP_SESSIONS as usize - 3]).await?;
    let news: Vec<KeptMcpSession> = (0..MANY).map(|_| client(f.id(), &ada.user.id, 90)).collect();
    let add = |new: KeptMcpSession| {
        let store = f.store.clone();
        async move { Ok::<_, StoreError>(store.commit(set([Write::AddMcpSession(new)])).await? == Commit::Done) }
    };
    for done in f.race(news.iter().cloned().map(add)).await {
        check!(done?, "there is nothing to lose against");
    }
    check_eq!(expiries(&f, &ada, &news).await?.len(), MANY);
    check_eq!(expiries(&f, &ada, &old).await?.len(), MAX_MCP_SESSIONS as usize - MANY);
    Ok(())
}

pub(crate) async fn expired_sessions_are_removed_oldest_first(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let hers = added(&f, &ada, &[90, 60, 40]).await?;
    let his = added(&f, &bob, &[50]).await?;
    let remove = || Write::RemoveExpiredMcpSessions { at: at(60), limit: 2 };
    check_eq!(f.store.has_expired_mcp_sessions(at(39)).await?, false);
    check_eq!(f.store.has_expired_mcp_sessions(at(40)).await?, true);
    f.done([remove()]).await?;
    check_eq!(expiries(&f, &ada, &hers).await?, [90, 60]);
    check_eq!(expiries(&f, &bob, &his).await?, Vec::<i64>::new());
    for _ in 0..2 {
        f.done([remove()]).await?;
        check_eq!(expiries(&f, &ada, &hers).await?, [90]);
        check_eq!(f.store.has_expired_mcp_sessions(at(60)).await?, false);
    }
    Ok(())
}
