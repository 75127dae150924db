//! A prompt and its streamed answer, and the transcript of it, whichever way it is read.

use portway_protocol::client::AnswerValue;
use portway_protocol::message::{AgentStatus, FinishReason, MessageRole, Part, ToolStatus};
use serde_json::json;

use crate::harness::agents::Agent;
use crate::harness::gateway::Gateway;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add_for_agents("prompts::a_turn_reads_the_same_everywhere", a_turn_reads_the_same_everywhere);
    trials.add("prompts::text_is_streamed_in_pieces", text_is_streamed_in_pieces);
    trials.add("prompts::a_socket_opened_in_mid_turn_misses_nothing", a_socket_opened_in_mid_turn_misses_nothing);
    trials.add("prompts::the_first_prompt_can_come_with_the_session", the_first_prompt_can_come_with_the_session);
    trials.add("prompts::everybody_in_a_session_sees_the_same", everybody_in_a_session_sees_the_same);
    trials.add("prompts::odd_text_survives", odd_text_survives);
}

async fn a_turn_reads_the_same_everywhere(agent: Agent) {
    let mut gateway = Gateway::for_agent(&agent).await;
    let session = gateway.api().session_with(agent.name()).await;
    let mut socket = session.socket().await;
    let before = socket.frames.len();
    let prompt = socket.prompt("What can you do?", None).await;
    let question = socket.question().await;

    // In the middle of the turn: what was said so far, and the question.
    let mut late = session.socket().await;
    assert!(late.mirror.busy);
    assert_eq!(late.mirror.messages, socket.mirror.messages);
    assert_eq!(late.question().await, question);
    late.answer(&question.id, AnswerValue::Text(agent.choices().allow.to_owned())).await;

    let answer = socket.answer_to(&prompt).await;
    socket.turn_end().await;
    socket.agent_is(AgentStatus::Idle).await;
    assert_eq!(late.answer_to(&prompt).await, answer);
    assert_eq!(answer.finish(), Some(FinishReason::EndTurn));
    assert_eq!(answer.tool(agent.choices().call), Some(ToolStatus::Completed));
    assert!(answer.content.ends_with(agent.choices().allowed), "{}", answer.content);
    assert!(socket.chunks(before).is_none_or(|chunks| chunks >= 2), "{:?} chunks", socket.chunks(before));
    if let Some(statuses) = socket.agent_statuses(before) {
        assert_eq!(statuses.first(), Some(&AgentStatus::Thinking));
        assert_eq!(statuses.last(), Some(&AgentStatus::Idle));
        assert_eq!(statuses.iter().filter(|status| **status == AgentStatus::Idle).count(), 1, "{statuses:?}");
        let at = |wanted| statuses.iter().position(|status| *status == wanted);
        assert!(at(AgentStatus::Streaming) < at(AgentStatus::ToolCalling), "{statuses:?}");
        assert!(at(AgentStatus::Streaming).is_some(), "{statuses:?}");
    }

    let transcript = session.transcript().await;
    assert_eq!(
        transcript.iter().map(|entry| entry.role).collect::<Vec<_>>(),
        [MessageRole::User, MessageRole::Assistant]
    );
    assert_eq!((transcript[0].id.as_str(), transcript[0].content.as_str()), (prompt.as_str(), "What can you do?"));
    assert_eq!(transcript[1], answer);
    assert_eq!(socket.mirror.messages, transcript);
    assert_eq!(late.mirror.messages, transcript);
    assert_eq!(session.socket().await.mirror.messages, transcript);

    gateway.restart().await;
    assert_eq!(session.transcript().await, transcript);
    assert_eq!(session.socket().await.mirror.messages, transcript);
}

async fn text_is_streamed_in_pieces() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let before = socket.frames.len();
    let prompt = socket.prompt("/slow 30", None).await;
    let answer = socket.answer_to(&prompt).await;
    socket.turn_end().await;
    socket.agent_is(AgentStatus::Idle).await;
    let expected: String = (1..=30).map(|n| format!("word{n} ")).collect();
    assert_eq!(answer.content, expected);
    assert_eq!(answer.parts[0], Part::Text { text: expected, streaming: false });
    // A second and a half of text, which is sent at least every quarter of a second.
    assert!(socket.chunks(before).is_none_or(|chunks| chunks >= 4), "{:?} chunks", socket.chunks(before));
    if let Some(statuses) = socket.agent_statuses(before) {
        assert_eq!(statuses, [AgentStatus::Thinking, AgentStatus::Streaming, AgentStatus::Idle]);
    }
}

async fn a_socket_opened_in_mid_turn_misses_nothing() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut first = session.socket().await;
    let prompt = first.prompt("/slow 1000", None).await;
    let mut late = Vec::new();
    for bytes in [1, 40, 80, 120] {
        first.text_of(&prompt, bytes).await;
        let mut socket = session.socket().await;
        let so_far = socket.mirror.answer_to(&prompt).unwrap();
        assert!(so_far.content.len() >= bytes && so_far.finish().is_none(), "{so_far:?}");
        let shown = so_far.content.len();
        socket.text_of(&prompt, shown + 1).await;
        late.push(socket);
    }
    session.abort().await.expect(200);
    let answer = first.answer_to(&prompt).await;
    for mut socket in late {
        // Chunks are put at the end of what `init` had; a gap or an overlap would be noticed.
        assert_eq!(socket.answer_to(&prompt).await, answer);
        assert!(socket.chunks(1).is_none_or(|chunks| chunks > 0));
    }
}

async fn the_first_prompt_can_come_with_the_session() {
    let gateway = Gateway::start("").await;
    let body = json!({"workspace": "test", "title": "First", "initialPrompt": "/say Good morning to you"});
    let session = gateway.api().session(body).await;
    let mut socket = session.socket().await;
    let prompt = socket.mirror.messages[0].id.clone();
    assert_eq!(socket.mirror.messages[0].content, "/say Good morning to you");
    assert_eq!(socket.answer_to(&prompt).await.content, "Good morning to you");
    assert_eq!(session.detail().await["session"]["title"], "First");
}

async fn everybody_in_a_session_sees_the_same() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let (mut ada, mut bob) = (session.socket().await, session.socket().await);
    let first = ada.prompt("/say from Ada", None).await;
    assert_eq!(bob.answer_to(&first).await.content, "from Ada");
    let second = session.prompt("/say over HTTP").await;
    assert_eq!(ada.answer_to(&second).await.content, "over HTTP");
    assert_eq!(bob.answer_to(&second).await.content, "over HTTP");
    let transcript = session.transcript().await;
    assert_eq!(ada.mirror.messages, transcript);
    assert_eq!(bob.mirror.messages, transcript);
}

async fn odd_text_survives() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let long = "wörter 🦀 ".repeat(4_000);
    for text in ["quotes \" and \\ and {json}", "e\u{301} 日本語 🧑‍🚀 \u{202e}x", long.trim()] {
        let prompt = socket.prompt(&format!("/say {text}"), None).await;
        assert_eq!(socket.answer_to(&prompt).await.content, text);
    }
    assert_eq!(session.transcript().await, socket.mirror.messages);
}
