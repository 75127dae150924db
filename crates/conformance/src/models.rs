//! The models that agents offer.

use portway_domain::engine::Change;
use portway_domain::models::{AvailableModels, Model, ProviderModels};
use portway_domain::sessions::Session;
use portway_domain::sharing::{Participant, ParticipantRole};

use crate::failure::{Failure, Outcome};
use crate::fixture::{Fixture, Person, at, of};

/// A list of one model, whose name no database may change.
pub(crate) fn offered(name: &str) -> AvailableModels {
    let model = Model { id: format!("p/{name}"), name: format!("{name} \u{1F980} \"\u{2028}") };
    AvailableModels::kept([ProviderModels { provider: "P".to_owned(), models: vec![model] }])
}

fn set(name: &str, seq: u64, moment: i64) -> Change {
    Change::ModelsSet { models: offered(name), seq, at: at(moment) }
}

async fn in_session(f: &Fixture, caller: &Person, session: &Session) -> Outcome<Option<AvailableModels>> {
    let whole = f.store.transcript(caller.hash(), &session.id, 1).await?.value;
    let newest = f.store.newest_of_transcript(caller.hash(), &session.id, 1, 1).await?.value;
    let found = whole.ok_or_else(|| Failure::new("there is no transcript"))?.models;
    check_eq!(newest.ok_or_else(|| Failure::new("there is no newest transcript"))?.models, found);
    Ok(found)
}

async fn of_user(f: &Fixture, caller: &Person) -> Outcome<AvailableModels> {
    let found = f.store.available_models(caller.hash()).await?;
    check_eq!(found.caller.map(|caller| caller.user), Some(caller.user.id.clone()));
    Ok(found.value)
}

pub(crate) async fn a_list_is_read_back_with_its_session(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    check_eq!(in_session(&f, &ada, &session).await?, None);
    f.changed(&session.id, [set("one", 1, 1)]).await?;
    check_eq!(in_session(&f, &ada, &session).await?, Some(offered("one")));
    check_eq!(in_session(&f, &ada, &other).await?, None);
    Ok(())
}

pub(crate) async fn a_later_list_replaces_the_one_before(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    for (seq, name) in [(1, "one"), (5, "two")] {
        f.changed(&session.id, [set(name, seq, 1)]).await?;
        check_eq!(in_session(&f, &ada, &session).await?, Some(offered(name)));
        check_eq!(of_user(&f, &ada).await?, offered(name));
    }
    Ok(())
}

pub(crate) async fn the_newest_list_of_a_user_is_that_of_any_session_of_their_own(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let (first, second) = (f.session(&ada).await?, f.session(&ada).await?);
    let foreign = f.session(&bob).await?;
    check_eq!(of_user(&f, &ada).await?, AvailableModels::default());
    f.changed(&first.id, [set("one", 1, 10)]).await?;
    f.changed(&second.id, [set("two", 1, 20)]).await?;
    f.changed(&foreign.id, [set("three", 1, 30)]).await?;
    check_eq!(of_user(&f, &ada).await?, offered("two"));
    f.changed(&first.id, [set("four", 2, 40)]).await?;
    check_eq!(of_user(&f, &ada).await?, offered("four"));
    check_eq!(of_user(&f, &bob).await?, offered("three"));
    Ok(())
}

pub(crate) async fn only_those_who_take_part_see_models(f: Fixture) -> Outcome {
    let (ada, bob, eve) = (f.person("ada").await?, f.person("bob").await?, f.person("eve").await?);
    let session = f.session(&ada).await?;
    let bob_takes_part = Participant {
        user: bob.user.id.clone(),
        role: ParticipantRole::Viewer,
        added_by: ada.user.id.clone(),
        created_at: at(1),
        seq: 1,
    };
    f.changed(&session.id, [Change::ParticipantSet(bob_takes_part), set("one", 2, 2)]).await?;
    check_eq!(in_session(&f, &bob, &session).await?, Some(offered("one")));
    check_eq!(in_session(&f, &eve, &session).await?, None);
    for stranger in [&bob, &eve] {
        check_eq!(of_user(&f, stranger).await?, AvailableModels::default(), "it is the owner's");
    }
    let nobody = f.store.available_models(&portway_domain::tokens::TokenHash::of("nobody")).await?;
    check_eq!((nobody.caller, nobody.value), (None, AvailableModels::default()));
    Ok(())
}

pub(crate) async fn changed_models_are_told_after_a_place(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    f.changed(&session.id, [set("one", 3, 1)]).await?;
    for seq in 0..5 {
        let found = f.store.changes_since(ada.hash(), &session.id, seq).await?.value;
        let found = found.ok_or_else(|| Failure::new("there is no session"))?;
        check_eq!(found.models, (seq < 3).then(|| offered("one")), "after {seq}");
    }
    Ok(())
}

pub(crate) async fn models_need_their_session(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    f.refused(of(&f.id(), set("one", 1, 1))).await?;
    check_eq!(of_user(&f, &ada).await?, AvailableModels::default());
    Ok(())
}
