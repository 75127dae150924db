//! The message that an agent is writing.

use portway_domain::channels::Channel;
use portway_domain::engine::{Change, OpenMessage};
use portway_domain::messages::{FinishReason, Message, Part, PlanEntry, Segment, TextKind, ToolCall, ToolStatus};
use portway_domain::sessions::Session;
use portway_ports::sessions::MessageRange;

use crate::failure::{Failure, Outcome};
use crate::fixture::{Fixture, Person, at};
use crate::samples::{note, opened, prompt, segment, tool_call};
use crate::transcript::transcript;

/// Writes a message as the engine does it, and what the store has to show for it.
struct Writer {
    session: Session,
    open: OpenMessage,
    seq: u64,
}

impl Writer {
    async fn begin(f: &Fixture, session: &Session, position: u64) -> Outcome<Self> {
        let channel = Some(Channel::new("chat", "7")?);
        let open = OpenMessage { channel, ..OpenMessage::new(f.id(), position, at(3)) };
        f.changed(&session.id, [Change::MessageAdded(open.snapshot(position))]).await?;
        Ok(Self { session: session.clone(), open, seq: position })
    }

    fn text(&mut self, kind: TextKind, delta: &str) -> Outcome<Change> {
        let segment = self.open.append(kind, delta).ok_or_else(|| Failure::new("the message is full"))?;
        Ok(Change::TextAppended(segment))
    }

    fn tool(&mut self, call: ToolCall) -> Outcome<Change> {
        let set = self.open.set_tool(call);
        self.part_set(set)
    }

    fn plan(&mut self, steps: &[&str]) -> Outcome<Change> {
        let entry = |step: &&str| PlanEntry {
            content: (*step).to_owned(),
            status: "pending".to_owned(),
            priority: "low".to_owned(),
        };
        let set = self.open.set_plan(steps.iter().map(entry).collect());
        self.part_set(set)
    }

    fn part_set(&mut self, set: Option<(u32, Part)>) -> Outcome<Change> {
        let (index, part) = set.ok_or_else(|| Failure::new("the message is full"))?;
        self.seq += 1;
        Ok(Change::PartSet { message: self.open.id.clone(), index, part, seq: self.seq })
    }

    /// Compares what is stored with what was written.
    async fn is_stored(&self, f: &Fixture, caller: &Person) -> Outcome {
        let expected = Some(self.open.clone());
        check_eq!(f.engine(&self.session.id).await?.value.open, expected);
        let state = f.store.session_state(caller.hash(), &self.session.id, None, at(0)).await?.value;
        check_eq!(state.map(|state| state.engine.value.open), Some(expected.clone()));
        let read = transcript(f, caller, &self.session).await?;
        check_eq!(read.engine.value.open, expected);
        check_eq!(read.messages.last(), Some(&self.open.snapshot(self.seq)));
        Ok(())
    }

    async fn finish(self, f: &Fixture, reason: FinishReason) -> Outcome<Message> {
        let message = self.open.finish(self.seq + 1, reason, Some("It broke".to_owned()));
        f.changed(&self.session.id, [Change::MessageFinished(message.clone())]).await?;
        Ok(message)
    }
}

pub(crate) async fn it_is_rebuilt_after_every_change(f: Fixture) -> Outcome {
    use TextKind::{Reasoning, Text};
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    check_eq!(f.engine(&session.id).await?.value.open, None);
    let mut writer = Writer::begin(&f, &session, 1).await?;
    writer.is_stored(&f, &ada).await?;
    let texts = [
        (Reasoning, "Zuerst "),
        (Reasoning, "überlege ich \u{1F980}"),
        (Text, "日本"),
        (Text, "語 — "),
        (Text, "\u{1F468}\u{200D}\u{1F469}"),
    ];
    for (kind, delta) in texts {
        let change = writer.text(kind, delta)?;
        f.changed(&session.id, [change]).await?;
        writer.is_stored(&f, &ada).await?;
    }
    let changes = [
        writer.tool(tool_call("c1", ToolStatus::Pending))?,
        writer.text(Text, "…")?,
        writer.plan(&["a", "ü"])?,
        writer.text(Reasoning, "é")?,
        writer.text(Reasoning, "e\u{301}")?,
        writer.tool(tool_call("c2", ToolStatus::Running))?,
        writer.tool(ToolCall { result: Some("done\0".into()), ..tool_call("c1", ToolStatus::Completed) })?,
        writer.plan(&["b"])?,
        writer.text(Text, "\u{1}end")?,
    ];
    f.changed(&session.id, changes).await?;
    writer.is_stored(&f, &ada).await
}

pub(crate) async fn many_pieces_keep_their_order(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let mut writer = Writer::begin(&f, &session, 1).await?;
    let mut changes = Vec::new();
    for number in 0..40 {
        for piece in 0..12 {
            changes.push(writer.text(TextKind::Text, &format!("{number}.{piece} "))?);
        }
        changes.push(writer.tool(tool_call(&format!("c{number}"), ToolStatus::Running))?);
    }
    f.changed(&session.id, changes).await?;
    check_eq!(writer.open.parts.len(), 80);
    writer.is_stored(&f, &ada).await
}

pub(crate) async fn it_is_read_as_it_stands(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let first = prompt(f.id(), 1, "Do it", &ada.user);
    f.changed(&session.id, [Change::MessageAdded(first.clone())]).await?;
    let mut writer = Writer::begin(&f, &session, 2).await?;
    let changes = [
        writer.text(TextKind::Reasoning, "think")?,
        writer.text(TextKind::Text, "so")?,
        writer.tool(tool_call("c1", ToolStatus::Running))?,
    ];
    f.changed(&session.id, changes).await?;
    let expected = writer.open.snapshot(writer.seq);
    check_eq!((expected.seq, expected.content.as_str()), (3, "so"));
    let read = |after, limit| {
        let (store, hash, id) = (f.store.clone(), ada.hash().clone(), session.id.clone());
        async move {
            let found = store.messages(&hash, &id, MessageRange { after, limit }).await?.value;
            Outcome::Ok(found.map(|(_, messages)| messages))
        }
    };
    check_eq!(read(0, 10).await?, Some(vec![first.clone(), expected.clone()]));
    check_eq!(read(0, 1).await?, Some(vec![first.clone()]));
    check_eq!(read(1, 10).await?, Some(vec![expected.clone()]));
    let late = note(f.id(), 4);
    f.changed(&session.id, [Change::MessageAdded(late.clone())]).await?;
    check_eq!(read(0, 10).await?, Some(vec![first, expected, late]));
    Ok(())
}

pub(crate) async fn finishing_folds_it(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    for reason in [FinishReason::EndTurn, FinishReason::Error, FinishReason::Canceled] {
        let session = f.session(&ada).await?;
        let mut writer = Writer::begin(&f, &session, 1).await?;
        let changes = [
            writer.text(TextKind::Text, "Ich ")?,
            writer.tool(tool_call("c1", ToolStatus::Running))?,
            writer.text(TextKind::Text, "bin fertig ✓")?,
        ];
        f.changed(&session.id, changes).await?;
        let finished = writer.finish(&f, reason).await?;
        let read = transcript(&f, &ada, &session).await?;
        check_eq!(read.messages, [finished]);
        check_eq!(read.engine.value.open, None);
        check_eq!(f.engine(&session.id).await?.value.open, None);
    }
    Ok(())
}

pub(crate) async fn the_next_one_begins_empty(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let mut first = Writer::begin(&f, &session, 1).await?;
    let changes = [first.text(TextKind::Text, "old")?, first.tool(tool_call("c1", ToolStatus::Running))?];
    f.changed(&session.id, changes).await?;
    let finished = first.finish(&f, FinishReason::EndTurn).await?;
    let mut second = Writer::begin(&f, &session, 10).await?;
    second.is_stored(&f, &ada).await?;
    let change = second.text(TextKind::Reasoning, "new")?;
    f.changed(&session.id, [change]).await?;
    second.is_stored(&f, &ada).await?;
    check_eq!(transcript(&f, &ada, &session).await?.messages.first(), Some(&finished));
    Ok(())
}

pub(crate) async fn an_empty_one_can_be_finished(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let finished = Writer::begin(&f, &session, 1).await?.finish(&f, FinishReason::EndTurn).await?;
    check_eq!(transcript(&f, &ada, &session).await?.messages, [finished]);
    Ok(())
}

/// Messages of a session that are not open, and one that does not exist.
async fn not_open(f: &Fixture, ada: &Person, session: &Session) -> Outcome<Vec<Message>> {
    let user = prompt(f.id(), 1, "Hi", &ada.user);
    let system = note(f.id(), 2);
    f.changed(&session.id, [user.clone(), system.clone()].map(Change::MessageAdded)).await?;
    let mut writer = Writer::begin(f, session, 3).await?;
    let change = writer.text(TextKind::Text, "text")?;
    f.changed(&session.id, [change]).await?;
    let finished = writer.finish(f, FinishReason::EndTurn).await?;
    Ok(vec![user, system, finished, opened(f.id(), 9)])
}

pub(crate) async fn only_the_open_message_is_appended_to(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let messages = not_open(&f, &ada, &session).await?;
    for message in &messages {
        f.unchanged(&session.id, Change::TextAppended(segment(&message.id, "more"))).await?;
    }
    check_eq!(transcript(&f, &ada, &session).await?.messages, messages[..3]);
    Ok(())
}

pub(crate) async fn only_the_open_message_has_parts_set(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let messages = not_open(&f, &ada, &session).await?;
    for message in &messages {
        let part = Part::ToolCall(tool_call("c1", ToolStatus::Running));
        f.unchanged(&session.id, Change::PartSet { message: message.id.clone(), index: 0, part, seq: 20 }).await?;
    }
    check_eq!(transcript(&f, &ada, &session).await?.messages, messages[..3]);
    Ok(())
}

pub(crate) async fn only_the_open_message_is_finished(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let messages = not_open(&f, &ada, &session).await?;
    for message in &messages {
        let finished = Message { content: "changed".to_owned(), seq: 20, ..message.clone() };
        f.unchanged(&session.id, Change::MessageFinished(finished)).await?;
    }
    check_eq!(transcript(&f, &ada, &session).await?.messages, messages[..3]);
    Ok(())
}

pub(crate) async fn text_is_appended_once(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let mut writer = Writer::begin(&f, &session, 1).await?;
    let first = writer.text(TextKind::Text, "once")?;
    f.changed(&session.id, [first.clone()]).await?;
    f.unchanged(&session.id, first).await?;
    let other = Segment { text: "else".to_owned(), ..segment(&writer.open.id, "") };
    f.unchanged(&session.id, Change::TextAppended(other)).await?;
    writer.is_stored(&f, &ada).await
}

pub(crate) async fn sessions_do_not_share_open_messages(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let mut writer = Writer::begin(&f, &session, 1).await?;
    let same = OpenMessage::new(writer.open.id.clone(), 1, at(3));
    f.changed(&other.id, [Change::MessageAdded(same.snapshot(1))]).await?;
    let changes = [writer.text(TextKind::Text, "hers")?, writer.tool(tool_call("c", ToolStatus::Pending))?];
    f.changed(&session.id, changes).await?;
    writer.is_stored(&f, &ada).await?;
    check_eq!(f.engine(&other.id).await?.value.open, Some(same));
    writer.finish(&f, FinishReason::EndTurn).await?;
    check!(f.engine(&other.id).await?.value.open.is_some());
    Ok(())
}
