//! Results under idempotency keys.

use portway_domain::tokens::TokenHash;
use portway_ports::commit::{Remembered, Write};

use crate::failure::Outcome;
use crate::fixture::{Fixture, Person, at};

pub(crate) fn remembered(owner: &Person, key: &str, created: i64, expires: i64) -> Remembered {
    Remembered {
        user: owner.user.id.clone(),
        key: key.to_owned(),
        digest: format!("digest of {created}"),
        result: format!(r#"{{"b":1,"a":"{created}"}}"#),
        created_at: at(created),
        expires_at: at(expires),
    }
}

async fn found(f: &Fixture, caller: &Person, key: &str, now: i64) -> Outcome<Option<Remembered>> {
    let opening = f.store.opening(caller.hash(), Some(key), at(now)).await?.value;
    Ok(opening.and_then(|opening| opening.remembered))
}

pub(crate) async fn a_result_is_remembered_until_it_expires(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let result = remembered(&ada, "key \u{1F511}", 0, 60);
    f.done([Write::Remember(result.clone())]).await?;
    for (now, live) in [(0, true), (59, true), (60, false), (61, false)] {
        let expected = live.then(|| result.clone());
        check_eq!(found(&f, &ada, &result.key, now).await?, expected, "at {now}");
        let state = f.store.session_state(ada.hash(), &session.id, Some(&result.key), at(now)).await?.value;
        check_eq!(state.map(|state| state.remembered), Some(expected), "at {now}");
    }
    check_eq!(found(&f, &ada, "Key \u{1F511}", 0).await?, None);
    let opening = f.store.opening(ada.hash(), None, at(0)).await?.value;
    check_eq!(opening.map(|opening| opening.remembered), Some(None));
    Ok(())
}

pub(crate) async fn keys_belong_to_users(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let (hers, his) = (remembered(&ada, "key", 0, 60), remembered(&bob, "key", 1, 60));
    f.done([Write::Remember(hers.clone())]).await?;
    check_eq!(found(&f, &bob, "key", 5).await?, None);
    f.done([Write::Remember(his.clone())]).await?;
    check_eq!(found(&f, &ada, "key", 5).await?, Some(hers));
    check_eq!(found(&f, &bob, "key", 5).await?, Some(his));
    Ok(())
}

pub(crate) async fn a_live_key_is_not_taken_over(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let first = remembered(&ada, "key", 0, 60);
    f.done([Write::Remember(first.clone())]).await?;
    for created in [0, 1, 59] {
        f.refused(Write::Remember(remembered(&ada, "key", created, 600))).await?;
    }
    check_eq!(found(&f, &ada, "key", 59).await?, Some(first));
    Ok(())
}

pub(crate) async fn an_expired_key_is_used_again(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    f.done([Write::Remember(remembered(&ada, "key", 0, 60))]).await?;
    let second = remembered(&ada, "key", 60, 120);
    f.done([Write::Remember(second.clone())]).await?;
    check_eq!(found(&f, &ada, "key", 60).await?, Some(second));
    f.refused(Write::Remember(remembered(&ada, "key", 119, 600))).await
}

pub(crate) async fn a_key_needs_its_user(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let orphan = Remembered { user: f.id(), ..remembered(&ada, "key", 0, 60) };
    f.refused(Write::Remember(orphan)).await
}

pub(crate) async fn a_held_key_is_settled_once(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let hold = remembered(&ada, "key", 0, 60);
    f.done([Write::Remember(hold.clone())]).await?;
    let settle = |result: &str, hold: &str| Write::Settle {
        remembered: Remembered { result: result.to_owned(), expires_at: at(600), ..remembered(&ada, "key", 0, 60) },
        hold: hold.to_owned(),
    };
    f.refused(settle("\"mine\"", "\"another\"")).await?;
    f.done([settle("\"mine\"", &hold.result)]).await?;
    f.refused(settle("\"late\"", &hold.result)).await?;
    let found = f.store.remembered(ada.hash(), "key", at(599)).await?;
    check_eq!(found.caller.map(|caller| caller.user), Some(ada.user.id.clone()));
    let kept = found.value.map(|kept| (kept.digest, kept.result, kept.expires_at));
    check_eq!(kept, Some((hold.digest, "\"mine\"".to_owned(), at(600))));
    check_eq!(f.store.remembered(ada.hash(), "key", at(600)).await?.value, None);
    Ok(())
}

pub(crate) async fn the_keys_of_others_are_not_seen(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    f.done([Write::Remember(remembered(&ada, "key", 0, 60))]).await?;
    check_eq!(f.store.remembered(bob.hash(), "key", at(5)).await?.value, None);
    let unknown = f.store.remembered(&TokenHash::of("sk_test_unknown"), "key", at(5)).await?;
    check_eq!((unknown.caller, unknown.value), (None, None));
    let settle =
        Write::Settle { remembered: remembered(&bob, "key", 0, 60), hold: remembered(&ada, "key", 0, 60).result };
    f.refused(settle).await
}

pub(crate) async fn expired_keys_are_removed_oldest_first(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    for (person, key, expires) in [(&ada, "new", 90), (&ada, "old", 60), (&bob, "older", 50), (&ada, "oldest", 40)] {
        f.done([Write::Remember(remembered(person, key, 0, expires))]).await?;
    }
    let live = async |now| -> Outcome<Vec<&str>> {
        let mut live = Vec::new();
        for (person, key) in [(&ada, "new"), (&ada, "old"), (&bob, "older"), (&ada, "oldest")] {
            // Before anything has expired, so that what is there is seen.
            if found(&f, person, key, now).await?.is_some() {
                live.push(key);
            }
        }
        Ok(live)
    };
    check_eq!(f.store.has_expired_keys(at(39)).await?, false);
    check_eq!(f.store.has_expired_keys(at(40)).await?, true);
    f.done([Write::RemoveExpiredKeys { at: at(60), limit: 2 }]).await?;
    check_eq!(live(0).await?, ["new", "old"]);
    f.done([Write::RemoveExpiredKeys { at: at(60), limit: 2 }]).await?;
    check_eq!(live(0).await?, ["new"]);
    check_eq!(f.store.has_expired_keys(at(60)).await?, false);
    f.done([Write::RemoveExpiredKeys { at: at(60), limit: 2 }]).await?;
    check_eq!(live(0).await?, ["new"]);
    Ok(())
}
