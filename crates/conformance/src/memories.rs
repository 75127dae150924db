//! Memories.

use portway_domain::ids::{MemoryId, UserId};
use portway_domain::memories::{MAX_MEMORIES, Memory, MemoryCategory, Relevance};
use portway_domain::search::Query;
use portway_ports::StoreError;
use portway_ports::commit::{Commit, Write};
use portway_ports::memories::MemoryFilter;
use portway_ports::pages::MAX_PAGE;

use crate::failure::Outcome;
use crate::fixture::{Fixture, Person, at, set};
use crate::idempotency::remembered;

/// Something remembered, with defaults everywhere.
pub(crate) fn memory(id: MemoryId, user: &UserId, content: &str) -> Memory {
    Memory {
        id,
        user: user.clone(),
        category: MemoryCategory::General,
        content: content.to_owned(),
        relevance: Relevance::NEW,
        created_at: at(0),
        last_accessed_at: at(0),
    }
}

/// Adds memories and answers them.
async fn added(f: &Fixture, owner: &Person, contents: &[&str]) -> Outcome<Vec<Memory>> {
    let all: Vec<Memory> = contents.iter().map(|content| memory(f.id(), &owner.user.id, content)).collect();
    f.done(all.iter().cloned().map(Write::AddMemory)).await?;
    Ok(all)
}

async fn list(f: &Fixture, caller: &Person, filter: &MemoryFilter) -> Outcome<Vec<Memory>> {
    Ok(f.store.memories(caller.hash(), filter).await?.value)
}

async fn all(f: &Fixture, caller: &Person) -> Outcome<Vec<Memory>> {
    list(f, caller, &MemoryFilter::new(None, None, MAX_MEMORIES)).await
}

async fn found(f: &Fixture, caller: &Person, query: &str) -> Outcome<Vec<String>> {
    let filter = MemoryFilter::new(None, Some(Query::parse(query)), MAX_MEMORIES);
    Ok(list(f, caller, &filter).await?.into_iter().map(|memory| memory.content).collect())
}

pub(crate) async fn an_added_memory_is_read_back(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    check_eq!(all(&f, &ada).await?, Vec::new());
    for (number, category) in (1_i64..).zip(MemoryCategory::ALL) {
        let memory = Memory {
            category,
            content: "Likes \"quotes\", ~ and + 日本語".to_owned(),
            relevance: Relevance::from_tenths(20 - u32::try_from(number).unwrap_or_default()),
            created_at: at(-number),
            last_accessed_at: at(number),
            ..memory(f.id(), &ada.user.id, "")
        };
        f.done([Write::AddMemory(memory.clone())]).await?;
        let filter = MemoryFilter::new(Some(category), None, 10);
        check_eq!(list(&f, &ada, &filter).await?, [memory]);
    }
    check_eq!(all(&f, &ada).await?.len(), MemoryCategory::ALL.len());
    Ok(())
}

pub(crate) async fn the_most_relevant_come_first(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let kinds = [(10, 0), (20, 0), (10, 5), (0, 9), (10, 0), (15, 1)];
    let mut memories = added(&f, &ada, &[]).await?;
    for (number, (tenths, accessed)) in kinds.into_iter().enumerate() {
        memories.push(Memory {
            relevance: Relevance::from_tenths(tenths),
            last_accessed_at: at(accessed),
            category: if number % 2 == 0 { MemoryCategory::Project } else { MemoryCategory::Decision },
            ..memory(f.id(), &ada.user.id, "x")
        });
    }
    f.done(memories.iter().cloned().map(Write::AddMemory)).await?;
    memories.sort_by(|a, b| (b.relevance, b.last_accessed_at, &b.id).cmp(&(a.relevance, a.last_accessed_at, &a.id)));
    check_eq!(all(&f, &ada).await?, memories);
    for limit in 1..=7 {
        let filter = MemoryFilter::new(None, None, limit);
        check_eq!(list(&f, &ada, &filter).await?, memories[..memories.len().min(limit as usize)]);
    }
    let projects: Vec<Memory> =
        memories.iter().filter(|memory| memory.category == MemoryCategory::Project).cloned().collect();
    check_eq!(list(&f, &ada, &MemoryFilter::new(Some(MemoryCategory::Project), None, 10)).await?, projects);
    Ok(())
}

pub(crate) async fn any_word_finds_and_the_best_come_first(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (both, one, other) =
        ("Prefers tabs over spaces", "Tabs", "Likes a café with much room for everybody and spaces");
    added(&f, &ada, &[one, both, other, "Nothing of it"]).await?;
    check_eq!(found(&f, &ada, "tab spaces").await?.first().map(String::as_str), Some(both));
    check_eq!(found(&f, &ada, "tab spaces missing").await?.len(), 3);
    check_eq!(found(&f, &ada, "tab -prefer").await?, [one]);
    check_eq!(found(&f, &ada, "\"with much room\" zebra").await?, [other]);
    check_eq!(found(&f, &ada, "CAFE").await?, [other]);
    check_eq!(found(&f, &ada, "spac*").await?.len(), 2);
    check_eq!(found(&f, &ada, "general").await?.len(), 4, "the category is searched");
    for nothing in ["", "--", "-tab", "\"", "zebra"] {
        check_eq!(found(&f, &ada, nothing).await?, Vec::<String>::new(), "{nothing:?}");
    }
    Ok(())
}

pub(crate) async fn a_search_keeps_to_category_and_limit(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let mut decisions = Vec::new();
    for number in 0..12 {
        let category = if number % 2 == 0 { MemoryCategory::Decision } else { MemoryCategory::Context };
        let memory = Memory { category, ..memory(f.id(), &ada.user.id, "the same needle") };
        f.done([Write::AddMemory(memory.clone())]).await?;
        if category == MemoryCategory::Decision {
            decisions.push(memory);
        }
    }
    decisions.reverse();
    for limit in [1, 3, 6, 7, 200] {
        let filter = MemoryFilter::new(Some(MemoryCategory::Decision), Some(Query::parse("needle")), limit);
        check_eq!(list(&f, &ada, &filter).await?, decisions[..decisions.len().min(limit as usize)]);
    }
    Ok(())
}

pub(crate) async fn a_removed_memory_is_gone(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let memories = added(&f, &ada, &["needle one", "needle two"]).await?;
    let remove = |id: &MemoryId, owner: &Person| Write::RemoveMemory { id: id.clone(), user: owner.user.id.clone() };
    f.refused(remove(&memories[0].id, &bob)).await?;
    f.refused(remove(&f.id(), &ada)).await?;
    f.done([remove(&memories[0].id, &ada)]).await?;
    f.refused(remove(&memories[0].id, &ada)).await?;
    check_eq!(all(&f, &ada).await?, memories[1..]);
    check_eq!(found(&f, &ada, "needle").await?, ["needle two"]);
    // What takes the place of the removed one is found by its own words only.
    added(&f, &ada, &["thread three"]).await?;
    check_eq!(found(&f, &ada, "one").await?, Vec::<String>::new());
    check_eq!(found(&f, &ada, "three").await?, ["thread three"]);
    Ok(())
}

pub(crate) async fn use_makes_relevant(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let (hers, his) = (added(&f, &ada, &["one", "two"]).await?, added(&f, &bob, &["his"]).await?);
    let ids = vec![hers[0].id.clone(), his[0].id.clone(), f.id()];
    let used = |seconds: i64| Write::UseMemories { user: ada.user.id.clone(), ids: ids.clone(), at: at(seconds) };
    let mut expected = hers[0].clone();
    for seconds in 1..=12 {
        f.done([used(seconds)]).await?;
        expected = expected.used(at(seconds));
        check_eq!(all(&f, &ada).await?, [expected.clone(), hers[1].clone()]);
    }
    check_eq!(expected.relevance, Relevance::MAX);
    check_eq!(all(&f, &bob).await?, his);
    check_eq!(found(&f, &ada, "one").await?, ["one"]);
    f.done([Write::UseMemories { user: ada.user.id.clone(), ids: Vec::new(), at: at(99) }]).await?;
    check_eq!(all(&f, &ada).await?, [expected, hers[1].clone()]);
    Ok(())
}

pub(crate) async fn a_taken_id_or_an_absent_user_conflicts(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let memories = added(&f, &ada, &["one"]).await?;
    f.refused(Write::AddMemory(Memory { content: "other".to_owned(), ..memories[0].clone() })).await?;
    f.refused(Write::AddMemory(memory(f.id(), &f.id(), "nobody's"))).await?;
    check_eq!(all(&f, &ada).await?, memories);
    Ok(())
}

pub(crate) async fn somebody_elses_memories_are_nowhere(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    added(&f, &ada, &["needle"]).await?;
    check_eq!(all(&f, &bob).await?, Vec::new());
    check_eq!(found(&f, &bob, "needle").await?, Vec::<String>::new());
    let needed = f.store.remembering(bob.hash(), None, at(0)).await?.value;
    check_eq!(needed.map(|needed| (needed.count, needed.least_relevant)), Some((0, Vec::new())));
    Ok(())
}

pub(crate) async fn it_is_known_which_go_first(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let kinds = [(10, 3), (9, 5), (10, 1), (0, 7), (10, 1)];
    let mut memories: Vec<Memory> = kinds
        .into_iter()
        .map(|(tenths, accessed)| Memory {
            relevance: Relevance::from_tenths(tenths),
            last_accessed_at: at(accessed),
            ..memory(f.id(), &ada.user.id, "x")
        })
        .collect();
    let key = remembered(&ada, "key", 0, 60);
    f.done(memories.iter().cloned().map(Write::AddMemory)).await?;
    f.done([Write::Remember(key.clone()), Write::BumpUser { id: ada.user.id.clone(), version: 1 }]).await?;
    memories.sort_by(|a, b| (a.relevance, a.last_accessed_at, &a.id).cmp(&(b.relevance, b.last_accessed_at, &b.id)));
    let Some(needed) = f.store.remembering(ada.hash(), Some("key"), at(59)).await?.value else {
        return Err(crate::Failure::new("the caller is nobody"));
    };
    check_eq!((needed.user.id, needed.user.version, needed.count), (ada.user.id.clone(), 2, 5));
    check_eq!(needed.least_relevant, memories.into_iter().map(|memory| memory.id).collect::<Vec<_>>());
    check_eq!(needed.remembered, Some(key));
    let later = f.store.remembering(ada.hash(), Some("key"), at(60)).await?.value;
    check_eq!(later.map(|needed| needed.remembered), Some(None));
    let more: Vec<Memory> = (0..MAX_PAGE).map(|_| memory(f.id(), &ada.user.id, "x")).collect();
    f.done(more.into_iter().map(Write::AddMemory)).await?;
    let many = f.store.remembering(ada.hash(), None, at(0)).await?.value;
    let many = many.map(|needed| (needed.count, needed.least_relevant.len(), needed.remembered));
    check_eq!(many, Some((MAX_PAGE + 5, MAX_PAGE as usize, None)));
    Ok(())
}

/// Many add at once where there is room for a few: as many go as come, and no new one is among them.
pub(crate) async fn many_at_once_keep_to_the_limit(f: Fixture) -> Outcome {
    const MANY: u32 = 12;
    let ada = f.person("ada").await?;
    let old: Vec<Memory> = (0..MAX_MEMORIES - 3)
        .map(|_| Memory { relevance: Relevance::from_tenths(11), ..memory(f.id(), &ada.user.id, "old") })
        .collect();
    for some in old.chunks(50) {
        f.done(some.iter().cloned().map(Write::AddMemory)).await?;
    }
    let news: Vec<Memory> = (0..MANY).map(|_| memory(f.id(), &ada.user.id, "new")).collect();
    let add = |new: Memory| {
        let (store, hash) = (f.store.clone(), ada.hash().clone());
        async move {
            for _ in 0..1_000 {
                let Some(needed) = store.remembering(&hash, None, at(0)).await?.value else {
                    return Ok(false);
                };
                let excess = (needed.count + 1).saturating_sub(MAX_MEMORIES) as usize;
                let bump = Write::BumpUser { id: needed.user.id.clone(), version: needed.user.version };
                let gone = needed.least_relevant.into_iter().take(excess);
                let gone = gone.map(|id| Write::RemoveMemory { id, user: needed.user.id.clone() });
                let writes = [bump, Write::AddMemory(new.clone())].into_iter().chain(gone);
                if store.commit(set(writes)).await? == Commit::Done {
                    return Ok::<bool, StoreError>(true);
                }
            }
            Ok(false)
        }
    };
    for done in f.race(news.into_iter().map(add)).await {
        check!(done?, "it never won");
    }
    let kept = all(&f, &ada).await?;
    check_eq!(kept.len(), MAX_MEMORIES as usize);
    check_eq!(found(&f, &ada, "old new").await?.len(), MAX_MEMORIES as usize);
    // The new ones are less relevant than the old, so they push out each other, but the last one stays.
    check_eq!(kept.iter().filter(|memory| memory.content == "new").count(), 3);
    Ok(())
}

pub(crate) async fn a_user_has_the_memories_that_the_caller_sees(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    added(&f, &ada, &["a needle", "hay", "more hay"]).await?;
    added(&f, &bob, &["another needle"]).await?;
    for query in [None, Some("needle"), Some("hay"), Some("?")] {
        for category in [None, Some(MemoryCategory::General), Some(MemoryCategory::Project)] {
            let filter = MemoryFilter::new(category, query.map(Query::parse), 10);
            check_eq!(f.store.memories_of(&ada.user.id, &filter).await?, list(&f, &ada, &filter).await?);
        }
    }
    let needed = f.store.remembering(ada.hash(), None, at(0)).await?.value;
    check!(needed.is_some());
    check_eq!(f.store.remembering_of(&ada.user.id).await?, needed);
    check_eq!(f.store.remembering_of(&UserId::parse("nobody")?).await?, None);
    Ok(())
}
