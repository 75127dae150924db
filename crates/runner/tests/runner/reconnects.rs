//! What a lost connection costs: nothing.

use std::time::Duration;

use crate::gateway::{Setup, Turn, prompt};
use portway_protocol::REPLACED_REASON;
use portway_protocol::runner::{FromRunner, RunnerEvent};
use portway_runner::Exit;

/// `word1 word2 …` as `/slow` says it.
fn words(count: usize) -> String {
    (1..=count).map(|n| format!("word{n} ")).collect()
}

#[tokio::test]
async fn a_stream_survives_lost_connections_without_gaps_or_repeats() {
    let stage = Setup::demo().start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    let start = gateway.events.len();
    gateway.acknowledging = false;
    gateway.prompt("m1", "/slow 20").await;
    let delta = |event: &RunnerEvent| matches!(event, RunnerEvent::TextDelta { .. });
    gateway.until(delta).await;
    gateway.until(delta).await;

    // The gateway made nothing durable after `ready`: all of the rest comes again.
    let hello = gateway.reconnect(&stage, start).await;
    assert_eq!(hello.turn.as_deref(), Some("m1"));
    assert_eq!(hello.last_command, 1);
    assert!(hello.last_frame >= 4);
    gateway.until(delta).await;

    // This time everything that was read is durable, although it was never acknowledged.
    let known = gateway.events.len();
    gateway.reconnect(&stage, known).await;
    gateway.acknowledging = true;
    gateway.turn().await;
    let whole = Turn { events: gateway.events.clone() };
    assert_eq!(whole.text(), words(20));

    let known = gateway.events.len();
    let hello = gateway.reconnect(&stage, known).await;
    assert_eq!(hello.turn, None);
    assert_eq!(hello.last_frame, known as u64);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn unacknowledged_events_come_again_on_an_open_connection() {
    let mut setup = Setup::demo();
    setup.timing.acknowledge = Duration::from_millis(50);
    let stage = setup.start().await;
    let (mut connection, _) = stage.accept().await;
    connection.send(&portway_protocol::runner::ToRunner::Welcome { protocol: 2, last_frame: 0 }).await;
    let mut first = 0;
    while first < 3 {
        let FromRunner::Event { frame, event } = connection.frame().await else {
            panic!("no event");
        };
        match frame {
            1 => assert!(matches!(event, RunnerEvent::Models { .. })),
            2 => assert!(matches!(event, RunnerEvent::Ready { .. })),
            other => panic!("{other} was never made"),
        }
        first += usize::from(frame == 1);
    }
}

#[tokio::test]
async fn commands_are_taken_once_and_in_order() {
    let stage = Setup::demo().start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    // A command after a gap is not taken; the one that fills it and its repetitions are, once.
    gateway.numbered(2, prompt("m2", "/say two")).await;
    gateway.numbered(1, prompt("m1", "/say one")).await;
    assert_eq!(gateway.other_frame().await, FromRunner::Ack { command: 1 });
    gateway.numbered(1, prompt("m1", "/say one")).await;
    assert_eq!(gateway.other_frame().await, FromRunner::Ack { command: 1 });
    gateway.numbered(2, prompt("m2", "/say two")).await;
    assert_eq!(gateway.other_frame().await, FromRunner::Ack { command: 2 });
    let known = gateway.events.len();
    let hello = gateway.reconnect(&stage, known).await;
    assert_eq!(hello.last_command, 2);
    gateway.numbered(2, prompt("m2", "/say two")).await;
    assert_eq!(gateway.turn().await.text(), "one");
    assert_eq!(gateway.turn().await.text(), "two");
    gateway.numbered(3, prompt("m3", "/say three")).await;
    assert_eq!(gateway.turn().await.text(), "three", "nothing was said twice");
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_slow_gateway_slows_the_agent_and_loses_nothing() {
    let mut setup = Setup::demo();
    setup.timing.keep_bytes = 512;
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.acknowledging = false;
    let text: String = (0..200).map(|n| format!("w{n} ")).collect();
    gateway.prompt("m1", &format!("/say {text}")).await;
    let known = gateway.events.len();
    let delta = |event: &RunnerEvent| matches!(event, RunnerEvent::TextDelta { .. });
    gateway.until(delta).await;
    gateway.acknowledging = true;
    let hello = gateway.reconnect(&stage, known).await;
    assert!(hello.last_frame < 12, "only so much is made without an acknowledgement");
    gateway.turn().await;
    let whole = Turn { events: gateway.events.clone() };
    assert_eq!(whole.text().trim_end(), text.trim_end());
    gateway.stop(stage).await;
}

#[tokio::test]
async fn an_open_question_is_in_the_hello_and_can_be_answered_later() {
    let stage = Setup::demo().start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.prompt("m1", "x").await;
    let (question, _) = gateway.question().await;
    let known = gateway.events.len();
    let hello = gateway.reconnect(&stage, known).await;
    assert_eq!(hello.open_questions, [question.as_str()]);
    gateway.choose(&question, "allow-once").await;
    assert_eq!(gateway.turn().await.end(2), ["message.finalize:end_turn", "complete"]);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_replaced_runner_exits() {
    let stage = Setup::demo().start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.connection.close(REPLACED_REASON).await;
    assert_eq!(stage.exit().await, Exit::Replaced);
}

#[tokio::test]
async fn five_refusals_in_a_row_are_enough_but_an_outage_is_none() {
    let stage = Setup::demo().start().await;
    for status in [401, 403, 404, 410, 503, 401, 401, 401, 401] {
        stage.refuse(status).await;
    }
    stage.refuse(401).await;
    assert_eq!(stage.exit().await, Exit::Refused);
}

#[tokio::test]
async fn without_a_gateway_the_runner_gives_up() {
    let mut setup = Setup::demo();
    setup.timing.give_up = Duration::from_millis(200);
    let stage = setup.start().await;
    // Nobody accepts.
    assert_eq!(stage.exit().await, Exit::Abandoned);
}

#[tokio::test]
async fn a_silent_gateway_is_left_for_another_connection() {
    let mut setup = Setup::demo();
    setup.timing.silence = Duration::from_millis(100);
    let stage = setup.start().await;
    let first = stage.accept().await;
    let second = stage.accept().await;
    assert_eq!(second.1.last_command, 0);
    drop((first, second));
}

#[tokio::test]
async fn an_abort_is_heard_while_the_agent_is_not_read() {
    let mut setup = Setup::demo();
    setup.timing.keep_bytes = 512;
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.acknowledging = false;
    gateway.prompt("m1", "x").await;
    let delta = |event: &RunnerEvent| matches!(event, RunnerEvent::TextDelta { .. });
    gateway.until(delta).await;
    gateway.abort("m1").await;
    while gateway.other_frame().await != (FromRunner::Ack { command: 2 }) {}
    gateway.acknowledging = true;
    let known = gateway.events.len();
    gateway.reconnect(&stage, known).await;
    assert_eq!(gateway.turn().await.end(2), ["message.finalize:canceled", "aborted"]);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_quiet_connection_is_kept_alive() {
    let mut setup = Setup::demo();
    setup.timing.ping = Duration::from_millis(20);
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    for _ in 0..2 {
        assert_eq!(gateway.other_frame().await, FromRunner::Ping {});
    }
    gateway.stop(stage).await;
}
