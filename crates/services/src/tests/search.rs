use portway_domain::access::Permission;
use portway_domain::search::Query;
use portway_ports::search::MessageSearch;
use portway_sql::driver::{Statement, Step};

use super::world::World;
use crate::error::Error;
use crate::prompts::NewPrompt;

fn search(query: &str) -> MessageSearch {
    MessageSearch::new(Query::parse(query), None, 10)
}

#[tokio::test]
async fn a_prompt_is_found_with_its_highlights() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let content = "Where are the needles, and why?".to_owned();
    let say = NewPrompt { content: content.clone(), ..NewPrompt::default() };
    let message = world.services.prompt(&world.as_owner(), &id, say).await.unwrap();
    let hits = world.services.search_messages(&world.signed_in(), &search("needle why")).await.unwrap();
    let [hit] = &*hits else { panic!("{hits:?}") };
    assert_eq!((&hit.message.session, &hit.message.message), (&id, &message));
    assert_eq!(hit.snippet.text, content);
    let shown: Vec<&str> = hit.snippet.highlights.iter().map(|range| &content[range.clone()]).collect();
    assert_eq!(shown, ["needles", "why"]);
    assert_eq!(world.services.search_messages(&world.signed_in(), &search("--")).await.unwrap(), []);
}

#[tokio::test]
async fn nobody_finds_anything() {
    let world = World::new().await;
    let mut context = world.context(Permission::SignedIn);
    context.credential = None;
    assert_eq!(world.services.search_messages(&context, &search("a")).await, Err(Error::Unauthorized));
    context.credential = Some(portway_domain::tokens::TokenHash::of("unknown"));
    for query in ["a", ""] {
        assert_eq!(world.services.search_messages(&context, &search(query)).await, Err(Error::Unauthorized));
    }
}

/// A world with so many messages in a session of the administrator that no index has.
async fn before_search(messages: usize) -> World {
    let mut below = None;
    let world = World::over(|database| {
        below = Some(database.clone());
        database
    })
    .await;
    let session = world.open().await;
    let run = |text: String| Step::new(Statement { text: text.into(), args: Vec::new() });
    let mut steps: Vec<Step> = (0..messages)
        .map(|number| {
            run(format!(
                "INSERT INTO messages (session_id, id, seq, position, role, content, parts, is_open, created_at) \
                 VALUES ('{}', 'm{number}', 1, {}, 'user', 'needle {number}', '[]', 0, 0)",
                session.id,
                number + 1_000,
            ))
        })
        .collect();
    let words = "INSERT INTO message_words (session_id, message_id, scope) SELECT session_id, id, 1 FROM messages";
    steps.push(run(words.to_owned()));
    below.unwrap().write(steps).await.unwrap();
    world
}

#[tokio::test]
async fn messages_from_before_the_index_are_filled_in_step_by_step() {
    let world = before_search(120).await;
    let find = async || world.services.search_messages(&world.signed_in(), &search("needle")).await.unwrap().len();
    assert_eq!(find().await, 0);
    assert_eq!(world.services.fill_some_of_the_search_index().await, Ok(50));
    assert_eq!(find().await, 10);
    world.services.fill_search_index().await;
    assert_eq!(world.services.fill_some_of_the_search_index().await, Ok(0));
    let last = world.services.search_messages(&world.signed_in(), &search("\"needle 119\"")).await.unwrap();
    assert_eq!(last.len(), 1);
}
