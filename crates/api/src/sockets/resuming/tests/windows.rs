//! What a client gets that says how far it has come, and one that does not.

use std::time::Duration;

use portway_domain::engine::{Event, Prompt, RunnerReport};
use portway_domain::ids::MessageId;
use portway_domain::messages::TextKind;
use portway_protocol::CLOSE_LAGGING;
use portway_protocol::resuming::ResumingFrame;
use portway_protocol::server::ServerFrame;

use super::super::super::window::WINDOW;
use super::super::PATIENCE;
use super::rig::{Connection, Rig};
use super::screen::Screen;

const PIECE: usize = 64 * 1024;

fn id(id: &str) -> MessageId {
    MessageId::parse(id).unwrap()
}

/// A session whose agent writes.
fn writing() -> Rig {
    let mut rig = Rig::new();
    say(&mut rig, "p");
    rig.report(RunnerReport::MessageCreated { message: id("p.1") });
    rig
}

fn say(rig: &mut Rig, prompt: &str) {
    let content = format!("say {prompt}");
    rig.apply(Event::Prompted(Prompt {
        id: id(prompt),
        content,
        attachments: Vec::new(),
        author: None,
        model: None,
        queue_mode: None,
        channel: None,
    }));
}

/// The agent writes a piece.
fn write(rig: &mut Rig) {
    let delta = "x".repeat(PIECE);
    rig.report(RunnerReport::Text { message: id("p.1"), kind: TextKind::Text, delta });
}

/// Everything that is there; answers with how many bytes of text there were.
fn read(connection: &mut Connection, screen: &mut Screen) -> usize {
    let mut bytes = 0;
    while let Some(sequenced) = connection.receive() {
        if let ServerFrame::Chunk { content, .. } = &sequenced.frame {
            bytes += content.len();
        }
        screen.apply(sequenced);
    }
    bytes
}

/// The last frame of a socket that was closed.
fn lagging(connection: &mut Connection) -> Option<u64> {
    let last = std::iter::from_fn(|| connection.receive()).last();
    match last.map(|sequenced| sequenced.frame) {
        Some(ServerFrame::Lagging { resume_from }) => Some(resume_from),
        _ => None,
    }
}

#[test]
fn a_client_that_acknowledges_nothing_gets_a_window_and_is_closed() {
    let mut rig = writing();
    let (mut connection, mut screen) = (rig.open(None), Screen::default());
    read(&mut connection, &mut screen);
    connection.send(&ResumingFrame::Ack { seq: screen.seq.unwrap(), checkpoint: None });
    let known = screen.clone();
    for _ in 0..40 {
        write(&mut rig);
        connection.poll();
    }
    let bytes = read(&mut connection, &mut screen) as u64;
    assert!((WINDOW - PIECE as u64..WINDOW + PIECE as u64).contains(&bytes), "{bytes}");
    rig.advance(PATIENCE - Duration::from_millis(1));
    connection.poll();
    assert_eq!(connection.close_code(), None);
    rig.advance(Duration::from_millis(1));
    connection.poll();
    assert_eq!(connection.close_code(), Some(CLOSE_LAGGING));
    let resume_from = lagging(&mut connection);
    assert_eq!(resume_from, known.seq);
    // Nothing is lost to who goes on there.
    let (mut again, mut screen) = (rig.open(resume_from), known);
    read(&mut again, &mut screen);
    screen.check(rig.transcript());
}

#[test]
fn a_client_that_never_said_anything_begins_anew() {
    let mut rig = writing();
    let mut connection = rig.open(None);
    for _ in 0..20 {
        write(&mut rig);
        connection.poll();
    }
    rig.advance(PATIENCE);
    connection.poll();
    let resume_from = lagging(&mut connection);
    assert_eq!(resume_from, Some(0));
    let (mut again, mut screen) = (rig.open(resume_from), Screen::default());
    read(&mut again, &mut screen);
    let shown = screen.messages.last().map(|shown| shown.id.clone());
    assert_eq!(shown.as_deref(), Some("p.1"));
}

#[test]
fn a_slow_client_gets_on_where_its_window_was_full() {
    let mut rig = writing();
    let (mut connection, mut screen) = (rig.open(None), Screen::default());
    for _ in 0..3 {
        for _ in 0..24 {
            write(&mut rig);
            connection.poll();
        }
        rig.advance(PATIENCE - Duration::from_secs(1));
        connection.poll();
        while read(&mut connection, &mut screen) > 0 {
            let seq = screen.seq.unwrap();
            connection.send(&ResumingFrame::Ack { seq, checkpoint: screen.checkpoint });
        }
        assert_eq!(connection.close_code(), None);
        screen.check(rig.transcript());
    }
}

#[test]
fn a_quiet_client_that_acknowledges_what_it_can_is_never_cut() {
    let mut rig = writing();
    let (mut connection, mut screen) = (rig.open(None), Screen::default());
    for _ in 0..100 {
        write(&mut rig);
        connection.poll();
        let before = screen.checkpoint;
        read(&mut connection, &mut screen);
        if screen.checkpoint != before {
            let seq = screen.seq.unwrap();
            connection.send(&ResumingFrame::Ack { seq, checkpoint: screen.checkpoint });
        }
        rig.advance(Duration::from_secs(600));
    }
    assert_eq!(connection.close_code(), None);
    screen.check(rig.transcript());
}

#[test]
fn a_client_that_only_talks_is_given_up() {
    let mut rig = writing();
    let mut connection = rig.open(None);
    for _ in 0..20 {
        write(&mut rig);
        connection.poll();
    }
    connection.send(&ResumingFrame::History { before: 9, limit: None });
    let refused = std::iter::from_fn(|| connection.receive()).last().map(|sequenced| sequenced.frame);
    let code = "RATE_LIMIT_EXCEEDED";
    assert!(matches!(&refused, Some(ServerFrame::Error { code: Some(told), .. }) if told == code), "{refused:?}");
    for _ in 0..100 {
        connection.send_text(r#"{"type":"ping"}"#.to_owned());
    }
    assert_eq!(connection.close_code(), Some(CLOSE_LAGGING));
    assert_eq!(lagging(&mut connection), Some(0));
}

#[test]
fn older_messages_come_in_pages_until_there_are_none() {
    let mut rig = Rig::new();
    for number in 1..=130 {
        rig.report_all(Vec::new());
        say(&mut rig, &format!("p{number}"));
        rig.report(RunnerReport::Completed { prompt: id(&format!("p{number}")), aborted: false });
    }
    let (mut connection, mut screen) = (rig.open(None), Screen::default());
    read(&mut connection, &mut screen);
    assert_eq!(screen.messages.len(), 50);
    screen.check(rig.transcript());
    let mut lengths = Vec::new();
    while let Some(before) = screen.before {
        connection.send(&ResumingFrame::History { before, limit: Some(30) });
        read(&mut connection, &mut screen);
        lengths.push(screen.messages.len());
        screen.check(rig.transcript());
    }
    assert_eq!(lengths, [80, 110, 130]);
}

#[test]
fn what_is_long_ago_or_never_was_begins_anew() {
    let mut rig = Rig::new();
    for number in 1..=600 {
        rig.apply(Event::Renamed { title: format!("title {number}") });
    }
    let newest = rig.engine().seq;
    let first = |seq| rig.open(Some(seq)).receive().map(|sequenced| (sequenced.frame, sequenced.seq));
    // Titles have no rows of their own, however many there were.
    assert!(matches!(first(newest - 590), Some((ServerFrame::Resumed { .. }, Some(seq))) if seq == newest));
    assert!(matches!(first(newest), Some((ServerFrame::Resumed { .. }, Some(seq))) if seq == newest));
    assert!(matches!(first(newest + 1), Some((ServerFrame::Init { .. }, Some(seq))) if seq == newest));
    assert!(matches!(first(u64::MAX), Some((ServerFrame::Init { .. }, Some(_)))));
}
