//! Commands for runners.

use portway_domain::engine::{Change, Command};
use portway_domain::ids::{MessageId, QuestionId, SessionId};
use portway_domain::messages::COLLECTED_SEPARATOR;
use portway_domain::questions::Resolution;
use portway_ports::commit::Commit;
use portway_ports::sessions::PendingCommand;

use crate::failure::{Failure, Outcome};
use crate::fixture::{Fixture, of};
use crate::samples::prompt;

fn abort(prompt: &MessageId) -> Command {
    Command::Abort { prompt: prompt.clone() }
}

fn given(generation: u32, number: u64, command: &Command) -> Change {
    Change::CommandGiven { generation, number, command: command.clone() }
}

fn taken(generation: u32, number: u64) -> Change {
    Change::CommandsTaken { generation, number }
}

async fn numbers(f: &Fixture, session: &SessionId, generation: u32, after: u64, limit: u32) -> Outcome<Vec<u64>> {
    let pending = f.store.pending_commands(session, generation, after, limit).await?;
    Ok(pending.iter().map(|pending| pending.number).collect())
}

pub(crate) async fn pending_commands_come_in_order_with_the_text_of_prompts(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let asked = prompt(f.id(), 1, "Bitte: \u{1F980}\n", &ada.user);
    let no_more = Vec::new;
    let commands = [
        Command::Prompt { prompt: asked.id.clone(), earlier: no_more(), model: Some("large".to_owned()) },
        Command::Answer {
            question: QuestionId::parse("q:1")?,
            resolution: Resolution::Selected { choice: "a\"b".to_owned() },
        },
        abort(&asked.id),
        Command::Prompt { prompt: asked.id.clone(), earlier: no_more(), model: None },
        Command::Prompt { prompt: f.id(), earlier: no_more(), model: None },
    ];
    f.changed(&session.id, [Change::MessageAdded(asked.clone())]).await?;
    let changes: Vec<Change> = (1..).zip(&commands).map(|(number, command)| given(1, number, command)).collect();
    f.changed(&session.id, changes.into_iter().rev()).await?;
    let contents = [true, false, false, true, false].map(|is_prompt| is_prompt.then(|| asked.content.clone()));
    let expected: Vec<PendingCommand> = (1..)
        .zip(commands)
        .zip(contents)
        .map(|((number, command), content)| PendingCommand { number, command, content })
        .collect();
    check_eq!(f.store.pending_commands(&session.id, 1, 0, 100).await?, expected);
    check_eq!(f.store.pending_commands(&f.id(), 1, 0, 100).await?, []);
    Ok(())
}

pub(crate) async fn collected_prompts_are_one_text(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    // Ids in the opposite order of the places, and more of them than a database takes arguments.
    let mut ids: Vec<MessageId> = (0..130).map(|_| f.id()).collect();
    ids.reverse();
    let said: Vec<_> =
        (1..).zip(&ids).map(|(at, id)| prompt(id.clone(), at, &format!("text {at}"), &ada.user)).collect();
    f.changed(&session.id, said.iter().cloned().map(Change::MessageAdded)).await?;
    let (last, earlier) = ids.split_last().ok_or_else(|| Failure::new("there are many".to_owned()))?;
    let missing = [f.id()];
    let together = Command::Prompt { prompt: last.clone(), earlier: earlier.to_vec(), model: None };
    let gone = Command::Prompt { prompt: last.clone(), earlier: missing.to_vec(), model: None };
    let nothing = Command::Prompt { prompt: f.id(), earlier: earlier.to_vec(), model: None };
    let commands = [&together, &gone, &nothing];
    f.changed(&session.id, (1..).zip(commands).map(|(number, command)| given(1, number, command))).await?;
    let pending = f.store.pending_commands(&session.id, 1, 0, 10).await?;
    let texts: Vec<&str> = said.iter().map(|message| message.content.as_str()).collect();
    check_eq!(pending[0].content.as_deref(), Some(&*texts.join(COLLECTED_SEPARATOR)));
    check_eq!(pending[1].content.as_deref(), texts.last().copied());
    check_eq!(pending[2].content, None);
    check_eq!(pending[0].command, together);
    Ok(())
}

pub(crate) async fn a_range_has_a_beginning_and_a_bound(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let command = abort(&f.id());
    f.changed(&session.id, (1..=12).map(|number| given(1, number, &command))).await?;
    check_eq!(numbers(&f, &session.id, 1, 0, 3).await?, [1, 2, 3]);
    check_eq!(numbers(&f, &session.id, 1, 8, 100).await?, [9, 10, 11, 12]);
    check_eq!(numbers(&f, &session.id, 1, 9, 1).await?, [10]);
    check_eq!(numbers(&f, &session.id, 1, 12, 100).await?, Vec::<u64>::new());
    Ok(())
}

pub(crate) async fn commands_taken_over_are_gone(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let command = abort(&f.id());
    for id in [&session.id, &other.id] {
        f.changed(id, (1..=4).map(|number| given(1, number, &command))).await?;
    }
    f.changed(&session.id, [taken(1, 2)]).await?;
    check_eq!(numbers(&f, &session.id, 1, 0, 100).await?, [3, 4]);
    f.changed(&session.id, [taken(1, 2), given(1, 5, &command)]).await?;
    check_eq!(numbers(&f, &session.id, 1, 0, 100).await?, [3, 4, 5]);
    f.changed(&session.id, [taken(1, 5)]).await?;
    check_eq!(numbers(&f, &session.id, 1, 0, 100).await?, Vec::<u64>::new());
    check_eq!(numbers(&f, &other.id, 1, 0, 100).await?, [1, 2, 3, 4]);
    Ok(())
}

pub(crate) async fn generations_do_not_share_commands(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let (old, new) = (abort(&f.id()), abort(&f.id()));
    f.changed(&session.id, (1..=3).map(|number| given(1, number, &old))).await?;
    f.changed(&session.id, [given(2, 1, &new), given(2, 2, &new)]).await?;
    let pending = f.store.pending_commands(&session.id, 2, 0, 100).await?;
    let commands: Vec<(u64, Command)> = pending.into_iter().map(|pending| (pending.number, pending.command)).collect();
    check_eq!(commands, [(1, new.clone()), (2, new.clone())]);
    // A late word of the old generation takes nothing from the new one.
    f.changed(&session.id, [taken(1, 3)]).await?;
    check_eq!(numbers(&f, &session.id, 2, 0, 100).await?, [1, 2]);
    check_eq!(numbers(&f, &session.id, 1, 0, 100).await?, Vec::<u64>::new());
    check_eq!(numbers(&f, &session.id, 3, 0, 100).await?, Vec::<u64>::new());
    Ok(())
}

pub(crate) async fn a_number_is_used_once(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let (first, second) = (abort(&f.id()), abort(&f.id()));
    f.changed(&session.id, [given(1, 1, &first)]).await?;
    f.unchanged(&session.id, given(1, 1, &second)).await?;
    let sets = [given(1, 2, &second), given(1, 2, &second)].map(|change| of(&session.id, change));
    f.expect(Commit::Conflict { write: 1 }, sets).await?;
    let pending = f.store.pending_commands(&session.id, 1, 0, 100).await?;
    check_eq!(pending, [PendingCommand { number: 1, command: first, content: None }]);
    Ok(())
}

pub(crate) async fn a_command_needs_its_session(f: Fixture) -> Outcome {
    f.unchanged(&f.id(), given(1, 1, &abort(&f.id()))).await
}
