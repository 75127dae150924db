//! The states of engines.

use std::time::Duration;

use portway_domain::channels::Channel;
use portway_domain::engine::{
    Change, ChannelSession, ChannelSessions, Engine, Link, QueuedPrompt, Runner, RunnerName, Timeouts, Turn,
};
use portway_domain::ids::{NodeId, QuestionId, SandboxId, SessionId, SnapshotId};
use portway_domain::questions::{Choice, ChoiceKind, Question};
use portway_domain::sessions::{QueueMode, Session, SessionStatus};
use portway_domain::tokens::TokenHash;
use portway_ports::commit::{Commit, Write};

use crate::failure::Outcome;
use crate::fixture::{Fixture, at};
use crate::samples::{exposure, note};

/// An engine with a value in every field.
pub(crate) fn busy(f: &Fixture, session: &Session) -> Outcome<Engine> {
    let queued = QueuedPrompt {
        id: f.id(),
        author: Some(session.owner.clone()),
        model: Some("large \u{1F980}".to_owned()),
        channel: Some(Channel::new("chat", "room 7")?),
        is_collected: true,
        held_until: None,
    };
    let later = QueuedPrompt {
        id: f.id(),
        author: None,
        model: None,
        channel: None,
        is_collected: true,
        held_until: Some(at(51)),
    };
    let choice = Choice { id: "yes".to_owned(), label: "Ja, \"gern\"\0".to_owned(), kind: ChoiceKind::AllowAlways };
    let question = Question::asked(QuestionId::parse("q:1")?, "May I?\n", vec![choice], at(4));
    let mut engine = Engine::new(session.id.clone(), session.owner.clone(), QueueMode::Steer, at(1));
    engine.status = SessionStatus::Running;
    engine.seq = 41;
    engine.runner = Runner {
        generation: 3,
        node: Some(NodeId::parse("node")?),
        sandbox: Some(SandboxId::parse("sandbox")?),
        link: Link::Lost { deadline: at(50) },
        token: Some(TokenHash::of("runner")),
        ready: true,
        ready_by: Some(at(9)),
        last_frame: 17,
        last_command: 5,
        taken_command: 4,
        agent_session: Some("conversation".to_owned()),
        channel_sessions: ChannelSessions::default(),
        snapshot: Some(SnapshotId::parse("files")?),
        exposure: exposure(),
    };
    engine
        .runner
        .channel_sessions
        .set(ChannelSession { channel: Channel::new("chat", "room 7")?, agent_session: "of the room".to_owned() });
    engine.turn = Some(Turn {
        prompt: queued.id.clone(),
        queued: queued.clone(),
        earlier: vec![queued.clone()],
        command: 5,
        started_at: at(2),
        last_report: at(3),
        check_at: at(30),
        abort_deadline: Some(at(20)),
        message: Some(f.id()),
        last_message: 6,
        last_question: 7,
        ends_after: Some(18),
        names: vec![RunnerName { id: "p.1".to_owned(), name: "its own".to_owned() }],
    });
    engine.queue.extend([queued, later]);
    engine.questions.push(question);
    engine.losses.extend([at(-5), at(-4)]);
    engine.timeouts = Timeouts { silence: Duration::new(7, 123_456_789), ..Timeouts::default() };
    Ok(engine)
}

fn with_link(mut engine: Engine, link: Link) -> Engine {
    engine.runner.link = link;
    engine
}

pub(crate) async fn a_new_engine_has_version_one(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let engine = f.engine(&session.id).await?;
    let expected = Engine::new(session.id.clone(), session.owner.clone(), QueueMode::Followup, at(0));
    check_eq!((engine.version, engine.value), (1, expected));
    Ok(())
}

pub(crate) async fn the_state_is_read_back_exactly(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let engine = busy(&f, &session)?;
    f.done([Write::SetEngine { engine: engine.clone(), version: 1 }]).await?;
    check_eq!(f.engine(&session.id).await?.value, engine);
    let state = f.store.session_state(ada.hash(), &session.id, None, at(0)).await?.value;
    check_eq!(state.map(|state| (state.engine.version, state.engine.value)), Some((2, engine.clone())));
    let transcript = f.store.transcript(ada.hash(), &session.id, 0).await?.value;
    check_eq!(transcript.map(|all| (all.engine.version, all.engine.value)), Some((2, engine)));
    check_eq!(f.engine(&other.id).await?.version, 1);
    Ok(())
}

pub(crate) async fn a_set_engine_has_the_next_version(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let mut engine = f.engine(&session.id).await?;
    for expected in 2..6 {
        engine.value.seq += 10;
        f.done([Write::SetEngine { engine: engine.value.clone(), version: engine.version }]).await?;
        let stored = f.engine(&session.id).await?;
        check_eq!((stored.version, &stored.value), (expected, &engine.value));
        engine = stored;
    }
    Ok(())
}

pub(crate) async fn a_stale_or_missing_engine_conflicts(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let engine = f.engine(&session.id).await?.value;
    f.done([Write::SetEngine { engine: engine.clone(), version: 1 }]).await?;
    let changed = busy(&f, &session)?;
    for version in [0, 1, 3] {
        f.refused(Write::SetEngine { engine: changed.clone(), version }).await?;
    }
    let absent = Engine { session: f.id(), ..changed };
    f.refused(Write::SetEngine { engine: absent, version: 1 }).await?;
    let stored = f.engine(&session.id).await?;
    check_eq!((stored.version, &stored.value), (2, &engine));
    let set = |version| Write::SetEngine { engine: engine.clone(), version };
    f.expect(Commit::Conflict { write: 1 }, [set(2), set(2)]).await?;
    f.done([set(2), set(3)]).await
}

pub(crate) async fn engines_with_a_sandbox_are_listed_by_id(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let mut expected = Vec::new();
    let links = [
        Link::Starting { deadline: at(1) },
        Link::None,
        Link::Connected { connection: "c".to_owned() },
        Link::Lost { deadline: at(1) },
        Link::Parting { deadline: at(1) },
    ];
    for link in links.iter().cycle().take(8) {
        let session = f.session(&ada).await?;
        let engine = with_link(f.engine(&session.id).await?.value, link.clone());
        if *link != Link::None {
            expected.push(session.id);
        }
        f.done([Write::SetEngine { engine, version: 1 }]).await?;
    }
    f.session(&ada).await?;
    check_eq!(f.store.sessions_with_sandbox(None, 100).await?, expected);
    check_eq!(f.store.sessions_with_sandbox(None, 2).await?, expected[..2]);
    check_eq!(f.store.sessions_with_sandbox(Some(&expected[1]), 3).await?, expected[2..5]);
    check_eq!(f.store.sessions_with_sandbox(expected.last(), 3).await?, Vec::<SessionId>::new());
    let gone = f.engine(&expected[0]).await?;
    let engine = with_link(gone.value, Link::None);
    f.done([Write::SetEngine { engine, version: gone.version }]).await?;
    check_eq!(f.store.sessions_with_sandbox(None, 100).await?, expected[1..]);
    Ok(())
}

pub(crate) async fn messages_are_counted(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    for expected in 0..3 {
        let overview = f.store.session_overview(ada.hash(), &session.id).await?.value;
        check_eq!(overview.map(|overview| overview.message_count), Some(expected));
        f.changed(&session.id, [Change::MessageAdded(note(f.id(), expected + 1))]).await?;
        f.changed(&other.id, [Change::MessageAdded(note(f.id(), expected + 1))]).await?;
    }
    Ok(())
}

pub(crate) async fn many_versions_are_read_at_once(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (one, two, other) = (f.session(&ada).await?, f.session(&ada).await?, f.session(&ada).await?);
    let engine = busy(&f, &two)?;
    f.done([Write::SetEngine { engine, version: 1 }]).await?;
    check_eq!(f.store.engine_versions(&[]).await?, []);
    let mut found = f.store.engine_versions(&[two.id.clone(), f.id(), one.id.clone()]).await?;
    found.sort();
    check_eq!(found, [(one.id, 1), (two.id, 2)], "without {}", other.id);
    Ok(())
}
