//! Finding messages by their words.

use portway_domain::engine::Change;
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::{FinishReason, Message, MessageRole, Part};
use portway_domain::search::Query;
use portway_domain::sessions::Session;
use portway_domain::tokens::TokenHash;
use portway_ports::commit::{Commit, Write};
use portway_ports::pages::MAX_PAGE;
use portway_ports::search::{FoundMessage, Hit, MessageSearch};

use crate::failure::{Failure, Outcome};
use crate::fixture::{Fixture, Person, at, of};
use crate::samples::{note, opened, prompt, segment, session};

/// Somebody with a session to talk in.
pub(crate) struct Talk {
    pub(crate) person: Person,
    pub(crate) session: Session,
    said: u64,
}

impl Talk {
    /// Adds the person and the session.
    pub(crate) async fn begin(f: &Fixture, name: &str) -> Outcome<Self> {
        let person = f.person(name).await?;
        let session = f.session(&person).await?;
        Ok(Self { person, session, said: 0 })
    }

    /// Says something.
    pub(crate) async fn say(&mut self, f: &Fixture, text: &str) -> Outcome<MessageId> {
        let message = self.next(f, text);
        let id = message.id.clone();
        f.changed(&self.session.id, [Change::MessageAdded(message)]).await?;
        Ok(id)
    }

    /// Something to say.
    pub(crate) fn next(&mut self, f: &Fixture, text: &str) -> Message {
        self.said += 1;
        prompt(f.id(), self.said, text, &self.person.user)
    }

    /// What a query finds, the best first.
    pub(crate) async fn find(&self, f: &Fixture, query: &str) -> Outcome<Vec<MessageId>> {
        Ok(hits(f, self.person.hash(), query, None).await?.into_iter().map(|hit| hit.value.message).collect())
    }

    /// Fails unless the query finds exactly these texts, in any order.
    #[track_caller]
    pub(crate) fn finds(&self, f: &Fixture, query: &str, expected: &[&str]) -> impl Future<Output = Outcome> + Send {
        let mismatch = Failure::new(format!("{query:?} finds other texts"));
        let (store, hash) = (f.store.clone(), self.person.hash().clone());
        let search = MessageSearch::new(Query::parse(query), None, MAX_PAGE);
        let mut expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
        expected.sort();
        async move {
            let found = store.search_messages(&hash, &search).await?.value;
            let mut found: Vec<String> = found.into_iter().map(|hit| hit.value.text).collect();
            found.sort();
            if found == expected { Ok(()) } else { Err(Failure::new(format!("{mismatch}: {found:?}"))) }
        }
    }
}

/// What a query finds.
pub(crate) async fn hits(
    f: &Fixture,
    caller: &TokenHash,
    query: &str,
    session: Option<&SessionId>,
) -> Outcome<Vec<Hit<FoundMessage>>> {
    let search = MessageSearch::new(Query::parse(query), session.cloned(), MAX_PAGE);
    let found = f.store.search_messages(caller, &search).await?.value;
    check!(found.is_sorted_by(|a, b| a.score >= b.score), "the best come first");
    Ok(found)
}

pub(crate) async fn what_was_said_is_found(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let titled = Session { title: Some("Titled".to_owned()), ..session(f.id(), &ada.user.id, at(0)) };
    f.done([crate::fixture::added(&titled)]).await?;
    let plain = f.session(&ada).await?;
    let asked = Message { created_at: at(7), ..prompt(f.id(), 1, "Where is the needle?", &ada.user) };
    let parts = vec![Part::Text { text: "In the haystack, a needle.".to_owned() }];
    let answered = Message {
        role: MessageRole::Assistant,
        content: "In the haystack, a needle.".to_owned(),
        parts,
        ..note(f.id(), 2)
    };
    f.changed(&titled.id, [Change::MessageAdded(asked.clone())]).await?;
    f.changed(&plain.id, [Change::MessageAdded(answered.clone())]).await?;
    let found = |session: &Session, message: &Message| FoundMessage {
        session: session.id.clone(),
        session_title: session.title.clone(),
        message: message.id.clone(),
        role: message.role,
        text: message.content.clone(),
        created_at: message.created_at,
    };
    let both = hits(&f, ada.hash(), "needle", None).await?;
    check_eq!(both.len(), 2);
    let one = hits(&f, ada.hash(), "haystack needle", None).await?;
    check_eq!(one.iter().map(|hit| &hit.value).collect::<Vec<_>>(), [&found(&plain, &answered)]);
    let other = hits(&f, ada.hash(), "where", None).await?;
    check_eq!(other.iter().map(|hit| &hit.value).collect::<Vec<_>>(), [&found(&titled, &asked)]);
    check_eq!(hits(&f, ada.hash(), "thread", None).await?, Vec::new());
    Ok(())
}

pub(crate) async fn an_answer_is_found_once_it_is_finished(f: Fixture) -> Outcome {
    let talk = Talk::begin(&f, "ada").await?;
    let open = opened(f.id(), 1);
    let text = segment(&open.id, "needle");
    f.changed(&talk.session.id, [Change::MessageAdded(open.clone()), Change::TextAppended(text)]).await?;
    talk.finds(&f, "needle", &[]).await?;
    let parts = vec![
        Part::Reasoning { text: "pondering".to_owned() },
        Part::Text { text: "A needle".to_owned() },
        Part::Finish { reason: FinishReason::EndTurn },
    ];
    let finished = Message { content: "A needle".to_owned(), parts, ..open };
    f.changed(&talk.session.id, [Change::MessageFinished(finished)]).await?;
    talk.finds(&f, "needle", &["A needle"]).await?;
    talk.finds(&f, "pondering", &[]).await
}

pub(crate) async fn what_the_gateway_says_is_not_found(f: Fixture) -> Outcome {
    let talk = Talk::begin(&f, "ada").await?;
    let said = Message { content: "needle".to_owned(), ..note(f.id(), 1) };
    f.changed(&talk.session.id, [Change::MessageAdded(said)]).await?;
    talk.finds(&f, "needle", &[]).await
}

pub(crate) async fn a_refused_set_is_not_found(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    let (message, again) = (talk.next(&f, "needle"), talk.next(&f, "needle"));
    let clash = Message { position: message.position, ..again };
    let writes = [message, clash].map(|message| of(&talk.session.id, Change::MessageAdded(message)));
    f.expect(Commit::Conflict { write: 1 }, writes).await?;
    talk.finds(&f, "needle", &[]).await?;
    talk.say(&f, "needle").await?;
    talk.finds(&f, "needle", &["needle"]).await
}

pub(crate) async fn all_words_are_needed_in_any_form_and_order(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    let (one, two) = ("The parser connects files.", "Connection of parsers: FILE");
    for text in [one, two, "A parser", "files files files", "--", ""] {
        talk.say(&f, text).await?;
    }
    talk.finds(&f, "file connected parsers", &[one, two]).await?;
    talk.finds(&f, "the file parser", &[one]).await?;
    talk.finds(&f, "file parser missing", &[]).await
}

pub(crate) async fn words_of_a_phrase_follow_each_other(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    let (close, path) = ("Open the new file now", "see src/main.rs and foo_bar");
    for text in [close, path, "file new the open", "main of src, bar foo", "new. Some other file"] {
        talk.say(&f, text).await?;
    }
    talk.finds(&f, "\"the new file\"", &[close]).await?;
    talk.finds(&f, "\"NEW FILES\"", &[close]).await?;
    talk.finds(&f, "\"new now\"", &[]).await?;
    talk.finds(&f, "src/main.rs", &[path]).await?;
    talk.finds(&f, "foo-bar", &[path]).await?;
    talk.finds(&f, "\"main rs\" open", &[]).await
}

pub(crate) async fn beginnings_find_words(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    let texts = ["An organization", "They organize it", "configuration", "E0308 in main.rs", "organs"];
    for text in texts {
        talk.say(&f, text).await?;
    }
    talk.finds(&f, "organiz*", &["An organization", "They organize it"]).await?;
    talk.finds(&f, "organizat*", &["An organization"]).await?;
    talk.finds(&f, "organ*", &["An organization", "They organize it", "organs"]).await?;
    talk.finds(&f, "CONF*", &["configuration"]).await?;
    talk.finds(&f, "configuration*", &["configuration"]).await?;
    talk.finds(&f, "e03*", &["E0308 in main.rs"]).await?;
    talk.finds(&f, "rganiz*", &[]).await
}

pub(crate) async fn excluded_words_are_not_found(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    for text in ["red apples", "green apples", "red cherries", "apple pie with red things"] {
        talk.say(&f, text).await?;
    }
    talk.finds(&f, "apple -green", &["red apples", "apple pie with red things"]).await?;
    talk.finds(&f, "apple -\"apple pie\"", &["red apples", "green apples"]).await?;
    talk.finds(&f, "red -appl*", &["red cherries"]).await?;
    talk.finds(&f, "apple -green -pie", &["red apples"]).await?;
    talk.finds(&f, "-apple", &[]).await
}

pub(crate) async fn case_width_and_accents_do_not_matter(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    let (cafe, decomposed) = ("Ein CAFÉ in der Straße", "cafe\u{301}");
    for text in [cafe, decomposed, "Łódź", "ΟΔΟΣ", "Ёлка", "ﬁle ＡＢＣ"] {
        talk.say(&f, text).await?;
    }
    for query in ["cafe", "CAFÉ", "Cafe\u{301}s", "café"] {
        talk.finds(&f, query, &[cafe, decomposed]).await?;
    }
    talk.finds(&f, "STRASSE", &[cafe]).await?;
    talk.finds(&f, "lodz", &["Łódź"]).await?;
    talk.finds(&f, "οδος", &["ΟΔΟΣ"]).await?;
    talk.finds(&f, "елка", &["Ёлка"]).await?;
    talk.finds(&f, "елк*", &["Ёлка"]).await?;
    talk.finds(&f, "file abc", &["ﬁle ＡＢＣ"]).await
}

pub(crate) async fn scripts_without_spaces_are_found(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    let texts = ["彼は日本語を話す", "日本の本", "ﾃﾞｰﾀを読む", "ฉันอยู่ที่นี่", "한국어를 배워요", "use東京now", "हिन्दी में"];
    for text in texts {
        talk.say(&f, text).await?;
    }
    talk.finds(&f, "日本", &texts[..2]).await?;
    talk.finds(&f, "日本語", &texts[..1]).await?;
    talk.finds(&f, "本語を", &texts[..1]).await?;
    talk.finds(&f, "本", &texts[..2]).await?;
    talk.finds(&f, "す", &texts[..1]).await?;
    talk.finds(&f, "日語", &[]).await?;
    talk.finds(&f, "データ", &texts[2..3]).await?;
    talk.finds(&f, "ที่นี่", &texts[3..4]).await?;
    talk.finds(&f, "한국어", &texts[4..5]).await?;
    talk.finds(&f, "東京 use", &texts[5..6]).await?;
    talk.finds(&f, "\"東京 now\"", &texts[5..6]).await?;
    talk.finds(&f, "हिन्दी", &texts[6..]).await
}

pub(crate) async fn better_fits_come_first(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    let long = format!("A needle {}", "in a field of hay with many other things ".repeat(20));
    let worst = talk.say(&f, &long).await?;
    let best = talk.say(&f, "needle, needle, needle").await?;
    let good = talk.say(&f, "a needle in the hay").await?;
    check_eq!(talk.find(&f, "needle").await?, [best.clone(), good.clone(), worst.clone()]);
    let scores: Vec<f64> =
        hits(&f, talk.person.hash(), "needle", None).await?.iter().map(|hit| hit.score.as_f64()).collect();
    check!(scores.iter().all(|score| *score > 0.0 && *score < 1.0), "{scores:?}");
    check_eq!(talk.find(&f, "hay needle").await?.len(), 2);
    Ok(())
}

pub(crate) async fn equal_fits_come_newest_first(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    let mut said = Vec::new();
    for _ in 0..30 {
        said.push(talk.say(&f, "the same words").await?);
    }
    said.reverse();
    for _ in 0..3 {
        check_eq!(talk.find(&f, "same words").await?, said);
    }
    for limit in [1, 7, 29, 30, 31] {
        let search = MessageSearch::new(Query::parse("same"), None, limit);
        let found = f.store.search_messages(talk.person.hash(), &search).await?.value;
        let found: Vec<_> = found.into_iter().map(|hit| hit.value.message).collect();
        check_eq!(found, said[..said.len().min(limit as usize)], "at most {limit}");
    }
    Ok(())
}

pub(crate) async fn a_search_is_limited(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    let said: Vec<_> = (0..103).map(|_| Change::MessageAdded(talk.next(&f, "needle"))).collect();
    f.changed(&talk.session.id, said).await?;
    for (limit, expected) in [(0, 1), (1, 1), (50, 50), (100, 100), (u32::MAX, 100)] {
        let search = MessageSearch::new(Query::parse("needle"), None, limit);
        check_eq!(f.store.search_messages(talk.person.hash(), &search).await?.value.len(), expected);
    }
    Ok(())
}

pub(crate) async fn one_session_can_be_searched(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    let here = talk.say(&f, "a needle").await?;
    let other = f.session(&talk.person).await?;
    let there = prompt(f.id(), 1, "a needle, too", &talk.person.user);
    f.changed(&other.id, [Change::MessageAdded(there.clone())]).await?;
    let found = async |session: &SessionId, query: &str| -> Outcome<Vec<MessageId>> {
        let hits = hits(&f, talk.person.hash(), query, Some(session)).await?;
        Ok(hits.into_iter().map(|hit| hit.value.message).collect())
    };
    check_eq!(found(&talk.session.id, "needle").await?, [here]);
    check_eq!(found(&other.id, "needle").await?, [there.id]);
    check_eq!(found(&other.id, "needle -too").await?, Vec::<MessageId>::new());
    check_eq!(found(&f.id(), "needle").await?, Vec::<MessageId>::new());
    // The id is no word of the text.
    check_eq!(talk.find(&f, other.id.as_str()).await?, Vec::<MessageId>::new());
    Ok(())
}

pub(crate) async fn somebody_elses_messages_are_not_found(f: Fixture) -> Outcome {
    let (mut ada, mut bob) = (Talk::begin(&f, "ada").await?, Talk::begin(&f, "bob").await?);
    let hers = ada.say(&f, "her needle").await?;
    bob.say(&f, "his needle").await?;
    check_eq!(ada.find(&f, "needle").await?, [hers]);
    bob.finds(&f, "needle", &["his needle"]).await?;
    bob.finds(&f, "her", &[]).await?;
    for query in ["needle", "her", "nee*"] {
        check_eq!(hits(&f, bob.person.hash(), query, Some(&ada.session.id)).await?, Vec::new());
    }
    Ok(())
}

pub(crate) async fn others_do_not_change_the_order(f: Fixture) -> Outcome {
    let (mut ada, mut bob) = (Talk::begin(&f, "ada").await?, Talk::begin(&f, "bob").await?);
    for text in
        ["rare rare common", "rare common common", "common rare", "rare", "common", "rare and much else besides"]
    {
        ada.say(&f, text).await?;
    }
    let queries = ["rare common", "rare", "common", "rar*"];
    let mut before = Vec::new();
    for query in queries {
        before.push(ada.find(&f, query).await?);
    }
    let texts: Vec<_> = (0..60).map(|_| Change::MessageAdded(bob.next(&f, "common common words"))).collect();
    f.changed(&bob.session.id, texts).await?;
    for (query, before) in queries.iter().zip(before) {
        check_eq!(ada.find(&f, query).await?, before, "{query}");
    }
    Ok(())
}

pub(crate) async fn nothing_is_left_to_be_indexed(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    let id = talk.say(&f, "needle").await?;
    talk.say(&f, "--").await?;
    check_eq!(f.store.unindexed_messages(10).await?, Vec::new());
    for message in [id, f.id()] {
        let text = "thread".to_owned();
        f.refused(Write::IndexMessage { session: talk.session.id.clone(), message, text }).await?;
    }
    talk.finds(&f, "thread", &[]).await?;
    talk.finds(&f, "needle", &["needle"]).await
}
