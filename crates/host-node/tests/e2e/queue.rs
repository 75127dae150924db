//! Prompts that come while the agent is busy.

use portway_protocol::client::{AnswerValue, ClientFrame, QueueMode};
use portway_protocol::message::FinishReason;
use reqwest::Method;
use serde_json::json;

use crate::harness::api::send;
use crate::harness::gateway::Gateway;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("queue::followups_run_in_order", followups_run_in_order);
    trials.add("queue::steering_ends_the_turn_and_goes_next", steering_ends_the_turn_and_goes_next);
    trials.add("queue::clearing_drops_what_waits", clearing_drops_what_waits);
    trials.add("queue::an_abort_drops_what_waits", an_abort_drops_what_waits);
    trials.add("queue::collected_prompts_go_as_one", collected_prompts_go_as_one);
    trials.add("queue::each_channel_collects_by_itself", each_channel_collects_by_itself);
    trials.add("queue::a_waiting_prompt_is_withdrawn", a_waiting_prompt_is_withdrawn);
    trials.add("queue::a_waiting_prompt_is_promoted", a_waiting_prompt_is_promoted);
    trials.add("queue::prompts_wait_for_the_agent_to_start", prompts_wait_for_the_agent_to_start);
}

async fn followups_run_in_order() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let mut prompts = vec![socket.prompt("/ask something", None).await];
    let question = socket.question().await;
    for (place, text) in [(1, "/say one"), (2, "/say two"), (3, "/say three")] {
        prompts.push(socket.prompt(text, Some(QueueMode::Followup)).await);
        socket.queued(place).await;
    }
    assert_eq!(session.detail().await["doStatus"]["queuedPrompts"], 3);
    socket.answer(&question.id, AnswerValue::Flag(true)).await;
    for (remaining, text) in [(2, "one"), (1, "two"), (0, "three")] {
        socket.dequeued(remaining).await;
        let prompt = &prompts[3 - remaining];
        assert_eq!(socket.answer_to(prompt).await.content, text);
    }
    socket.turn_end().await;
    let expected: Vec<String> =
        [&prompts[0], &format!("{}.1", prompts[0]), &prompts[1], &prompts[2], &prompts[3]].map(String::clone).to_vec();
    let transcript = session.transcript().await;
    // What was said while the agent wrote stands below it, in the order in which it was said.
    assert_eq!(transcript[..5].iter().map(|entry| entry.id.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(transcript[5..].iter().map(|entry| entry.content.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
    assert_eq!(transcript, socket.mirror.messages);
}

async fn steering_ends_the_turn_and_goes_next() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let first = socket.prompt("/slow 1000", None).await;
    socket.text_of(&first, 1).await;
    let dropped = socket.prompt("/say never", None).await;
    let second = session.prompt_with(json!({"content": "/say turned", "queueMode": "steer"})).await;
    assert_eq!(socket.answer_to(&first).await.finish(), Some(FinishReason::Canceled));
    assert_eq!(socket.answer_to(&second).await.content, "turned");
    socket.turn_end().await;
    assert_eq!(socket.mirror.answer_to(&dropped), None);
    assert_eq!(session.transcript().await, socket.mirror.messages);

    let third = socket.prompt("/slow 1000", None).await;
    socket.text_of(&third, 1).await;
    let fourth = session.prompt_with(json!({"content": "/say interrupted", "interrupt": true})).await;
    assert_eq!(socket.answer_to(&third).await.finish(), Some(FinishReason::Canceled));
    assert_eq!(socket.answer_to(&fourth).await.content, "interrupted");
}

async fn clearing_drops_what_waits() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let first = socket.prompt("/ask something", None).await;
    let question = socket.question().await;
    let dropped = [socket.prompt("/say one", None).await, socket.prompt("/say two", None).await];
    let cleared = send(session.api.request(Method::POST, &session.path("/clear-queue"))).await.expect(200);
    assert_eq!(cleared, json!({"success": true, "cleared": 2}));
    socket.queue_cleared(2).await;
    socket.answer(&question.id, AnswerValue::Flag(true)).await;
    assert_eq!(socket.answer_to(&first).await.finish(), Some(FinishReason::EndTurn));
    socket.turn_end_with(false).await;
    let next = socket.prompt("/say three", None).await;
    assert_eq!(socket.answer_to(&next).await.content, "three");
    for prompt in dropped {
        assert!(socket.mirror.message(&prompt).is_some(), "what was said stays");
        assert_eq!(socket.mirror.answer_to(&prompt), None);
    }
}

async fn an_abort_drops_what_waits() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let first = socket.prompt("/slow 1000", None).await;
    socket.text_of(&first, 1).await;
    let dropped = socket.prompt("/say never", None).await;
    session.abort().await.expect(200);
    assert_eq!(socket.answer_to(&first).await.finish(), Some(FinishReason::Canceled));
    socket.turn_end().await;
    let next = socket.prompt("/say next", None).await;
    assert_eq!(socket.answer_to(&next).await.content, "next");
    assert_eq!(socket.mirror.answer_to(&dropped), None);
}

async fn collected_prompts_go_as_one() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let first = socket.prompt("/say one", Some(QueueMode::Collect)).await;
    let last = socket.prompt("two", Some(QueueMode::Collect)).await;
    socket.turn_end().await;
    assert_eq!(socket.mirror.answer_to(&first), None);
    assert!(socket.mirror.answer_to(&last).is_some());
    let transcript = session.transcript().await;
    let said: Vec<&str> = transcript[..2].iter().map(|entry| entry.content.as_str()).collect();
    assert_eq!((said, transcript.len()), (vec!["/say one", "two"], 3), "one answer to both");
    assert_eq!(transcript[2].content, "one\n\n---\n\ntwo");
    assert_eq!(transcript, socket.mirror.messages);
}

async fn each_channel_collects_by_itself() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let from = |channel: &str, text: &str| json!({"content": text, "queueMode": "collect", "channelType": "chat", "channelId": channel});
    session.prompt_with(from("a", "/say one")).await;
    let other = session.prompt_with(from("b", "/say other")).await;
    let last = session.prompt_with(from("a", "two")).await;
    assert_eq!(socket.answer_to(&last).await.content, "one\n\n---\n\ntwo");
    assert_eq!(socket.answer_to(&other).await.content, "other");
    let messages = session.api.get(&session.path("/messages")).await.expect(200)["messages"].take();
    let channels: Vec<_> = messages.as_array().unwrap().iter().map(|message| message["channelId"].clone()).collect();
    let answers = if messages[3]["content"] == "other" { ["b", "a"] } else { ["a", "b"] };
    assert_eq!(channels, [["a", "b", "a"].as_slice(), &answers].concat(), "answers have the channel of their prompt");

    let mut half = from("a", "no");
    half.as_object_mut().unwrap().remove("channelType");
    for (body, field) in [(half, "channelType"), (from("", "no"), "channelId")] {
        let refused = session.try_prompt(body).await.expect(400);
        assert_eq!(
            (&refused["code"], &refused["details"]["fields"][0]["field"]),
            (&json!("VALIDATION_ERROR"), &json!(field))
        );
    }
}

async fn a_waiting_prompt_is_withdrawn() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let first = socket.prompt("/ask something", None).await;
    let question = socket.question().await;
    let waiting = [socket.prompt("/say one", None).await, socket.prompt("/say two", None).await];
    let withdrawal = session.api.request(Method::DELETE, &session.path(&format!("/queue/{}", waiting[0])));
    assert_eq!(send(withdrawal).await.expect(200), json!({"success": true}));
    socket.withdrawn(&waiting[0], 1).await;
    socket.send(&ClientFrame::Withdraw { message_id: waiting[1].clone() }).await;
    socket.withdrawn(&waiting[1], 0).await;
    socket.answer(&question.id, AnswerValue::Flag(true)).await;
    socket.turn_end().await;
    let late = session.api.request(Method::DELETE, &session.path(&format!("/queue/{first}")));
    assert_eq!(send(late).await.expect(409)["code"], "CONFLICT");
    let transcript = session.transcript().await;
    assert_eq!(transcript.len(), 2, "only the first prompt and its answer: {transcript:?}");
    assert_eq!(transcript, socket.mirror.messages);
}

async fn a_waiting_prompt_is_promoted() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let first = socket.prompt("/slow 1000", None).await;
    socket.text_of(&first, 1).await;
    let later = socket.prompt("/say later", None).await;
    let sooner = socket.prompt("/say sooner", None).await;
    let promotion = session.api.request(Method::POST, &session.path(&format!("/queue/{sooner}/promote")));
    assert_eq!(send(promotion).await.expect(200), json!({"success": true}));
    assert_eq!(socket.answer_to(&first).await.finish(), Some(FinishReason::Canceled));
    assert_eq!(socket.answer_to(&sooner).await.content, "sooner");
    assert_eq!(socket.answer_to(&later).await.content, "later");
    let ids: Vec<String> = session.transcript().await.into_iter().map(|entry| entry.id).collect();
    let answer = |prompt: &str| format!("{prompt}.1");
    let expected = [first.clone(), answer(&first), later.clone(), sooner.clone(), answer(&sooner), answer(&later)];
    assert_eq!(ids, expected);
}

async fn prompts_wait_for_the_agent_to_start() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let prompts =
        [session.prompt("/say one").await, session.prompt("/say two").await, session.prompt("/say three").await];
    let mut socket = session.socket().await;
    for (prompt, text) in prompts.iter().zip(["one", "two", "three"]) {
        assert_eq!(socket.answer_to(prompt).await.content, text);
    }
}
