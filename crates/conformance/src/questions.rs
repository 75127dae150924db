//! Questions of agents.

use portway_domain::engine::Change;
use portway_domain::ids::QuestionId;
use portway_domain::questions::{Choice, ChoiceKind, Question, Resolution};

use crate::failure::Outcome;
use crate::fixture::{Fixture, at};

fn asked(id: &QuestionId, seq: u64) -> Change {
    let choice = Choice { id: "yes".to_owned(), label: "Yes \u{2713}".to_owned(), kind: ChoiceKind::AllowOnce };
    Change::QuestionAsked { question: Question::asked(id.clone(), "May I?", vec![choice], at(0)), seq }
}

fn closed(id: &QuestionId, resolution: Resolution, expired: bool) -> Change {
    Change::QuestionClosed { id: id.clone(), resolution, expired, seq: 9 }
}

fn selected() -> Resolution {
    Resolution::Selected { choice: "yes".to_owned() }
}

pub(crate) async fn a_question_is_asked_once(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let id = QuestionId::parse("q:1")?;
    f.changed(&session.id, [asked(&id, 1), asked(&f.id(), 2)]).await?;
    f.unchanged(&session.id, asked(&id, 3)).await?;
    f.changed(&session.id, [closed(&id, selected(), false)]).await?;
    f.unchanged(&session.id, asked(&id, 4)).await?;
    f.unchanged(&f.id(), asked(&id, 5)).await
}

pub(crate) async fn an_open_question_is_closed_once(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let text = Resolution::Text { text: "blau".to_owned() };
    for (resolution, expired) in [(selected(), false), (text, false), (Resolution::Cancelled, true)] {
        let id: QuestionId = f.id();
        f.unchanged(&session.id, closed(&id, resolution.clone(), expired)).await?;
        f.changed(&session.id, [asked(&id, 1)]).await?;
        f.changed(&session.id, [closed(&id, resolution.clone(), expired)]).await?;
        f.unchanged(&session.id, closed(&id, resolution, expired)).await?;
    }
    // Asked and closed by one event.
    let id: QuestionId = f.id();
    f.changed(&session.id, [asked(&id, 1), closed(&id, Resolution::Cancelled, true)]).await
}

pub(crate) async fn sessions_do_not_share_questions(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let id: QuestionId = f.id();
    f.changed(&session.id, [asked(&id, 1)]).await?;
    f.unchanged(&other.id, closed(&id, selected(), false)).await?;
    f.changed(&other.id, [asked(&id, 1)]).await?;
    f.changed(&session.id, [closed(&id, selected(), false)]).await?;
    f.changed(&other.id, [closed(&id, selected(), false)]).await
}
