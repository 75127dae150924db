//! Access tokens.

use portway_domain::access::{Principal, Role};
use portway_domain::ids::TokenId;
use portway_domain::tokens::{AccessToken, TokenKind};
use portway_domain::users::User;
use portway_ports::commit::Write;

use crate::failure::Outcome;
use crate::fixture::{Fixture, Person, at};
use crate::samples::{full_user, token};

fn api_key(f: &Fixture, owner: &Person, created: i64) -> AccessToken {
    token(f.id(), &owner.user.id, &format!("key {created}"), TokenKind::Api, at(created))
}

async fn listed(f: &Fixture, caller: &Person, limit: u32) -> Outcome<Vec<AccessToken>> {
    let seen = f.store.tokens(caller.hash(), limit).await?;
    check!(seen.caller.is_some());
    check!(seen.value.iter().all(|item| item.last_used_at.is_none()));
    Ok(seen.value.into_iter().map(|item| item.token).collect())
}

pub(crate) async fn a_token_tells_who_its_user_is(f: Fixture) -> Outcome {
    let user = full_user(f.id(), "ada@example.org");
    let key = AccessToken { expires_at: Some(at(3_600)), ..token(f.id(), &user.id, "key", TokenKind::Api, at(0)) };
    f.done([Write::AddUser(user.clone()), Write::AddToken(key.clone())]).await?;
    let principal = f.store.principal(&key.hash).await?;
    let expected = Principal {
        user: user.id.clone(),
        token: key.id,
        role: Role::Admin,
        email: user.email.clone(),
        name: user.name.clone(),
        avatar_url: user.avatar_url.clone(),
        expires_at: Some(at(3_600)),
    };
    check_eq!(principal, Some(expected.clone()));
    check_eq!(f.store.caller(&key.hash).await?.caller, Some(expected));
    // Not as it was when the token was made.
    let renamed = User { name: None, role: Role::Member, ..user };
    f.done([Write::SetUser { user: renamed, version: 1 }]).await?;
    let caller = f.store.principal(&key.hash).await?;
    check_eq!(caller.map(|caller| (caller.name, caller.role)), Some((None, Role::Member)));
    Ok(())
}

pub(crate) async fn an_expired_token_is_answered_with_its_end(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let old = AccessToken { expires_at: Some(at(-1_000_000_000)), ..api_key(&f, &ada, 0) };
    f.done([Write::AddToken(old.clone())]).await?;
    let caller = f.store.principal(&old.hash).await?;
    check_eq!(caller.map(|caller| caller.expires_at), Some(old.expires_at));
    Ok(())
}

pub(crate) async fn the_list_shows_api_tokens_newest_first(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let keys = [3, 1, 2].map(|created| api_key(&f, &ada, created));
    let bounded = AccessToken { expires_at: Some(at(9)), ..keys[0].clone() };
    f.done([bounded.clone(), keys[1].clone(), keys[2].clone()].map(Write::AddToken)).await?;
    check_eq!(listed(&f, &ada, 100).await?, [bounded, keys[2].clone(), keys[1].clone()]);
    Ok(())
}

pub(crate) async fn the_list_is_limited(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let keys: Vec<AccessToken> = (0..5).map(|created| api_key(&f, &ada, created)).collect();
    f.done(keys.iter().cloned().map(Write::AddToken)).await?;
    check_eq!(listed(&f, &ada, 2).await?, [keys[4].clone(), keys[3].clone()]);
    check_eq!(listed(&f, &ada, 0).await?, []);
    Ok(())
}

pub(crate) async fn tokens_of_one_moment_are_listed_by_id(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let keys: Vec<AccessToken> = (0..5).map(|_| api_key(&f, &ada, 0)).collect();
    f.done([3, 0, 4, 1, 2].map(|index: usize| Write::AddToken(keys[index].clone()))).await?;
    let newest_first: Vec<AccessToken> = keys.into_iter().rev().collect();
    check_eq!(listed(&f, &ada, 100).await?, newest_first);
    Ok(())
}

pub(crate) async fn the_list_shows_only_the_callers_tokens(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let (hers, his) = (api_key(&f, &ada, 0), api_key(&f, &bob, 0));
    f.done([hers.clone(), his.clone()].map(Write::AddToken)).await?;
    check_eq!(listed(&f, &ada, 100).await?, [hers]);
    check_eq!(listed(&f, &bob, 100).await?, [his]);
    Ok(())
}

pub(crate) async fn a_revoked_token_leaves_the_list(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let keys = [1, 2].map(|created| api_key(&f, &ada, created));
    f.done(keys.clone().map(Write::AddToken)).await?;
    let revoke = Write::RevokeToken { id: keys[1].id.clone(), user: ada.user.id.clone(), at: at(5) };
    f.done([revoke]).await?;
    check_eq!(listed(&f, &ada, 100).await?, [keys[0].clone()]);
    Ok(())
}

pub(crate) async fn a_taken_id_or_hash_conflicts(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let key = api_key(&f, &ada, 0);
    f.done([Write::AddToken(key.clone())]).await?;
    let other = api_key(&f, &bob, 0);
    f.refused(Write::AddToken(AccessToken { id: key.id.clone(), ..other.clone() })).await?;
    f.refused(Write::AddToken(AccessToken { hash: key.hash.clone(), ..other })).await?;
    check_eq!(listed(&f, &bob, 100).await?, []);
    let caller = f.store.principal(&key.hash).await?;
    check_eq!(caller.map(|caller| caller.user), Some(ada.user.id));
    Ok(())
}

pub(crate) async fn a_token_needs_its_user(f: Fixture) -> Outcome {
    let orphan = token(f.id(), &f.id(), "orphan", TokenKind::Login, at(0));
    f.refused(Write::AddToken(orphan.clone())).await?;
    check_eq!(f.store.principal(&orphan.hash).await?, None);
    Ok(())
}

pub(crate) async fn a_token_is_revoked_once_and_by_its_owner(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let revoke = |id: &TokenId, by: &Person| Write::RevokeToken { id: id.clone(), user: by.user.id.clone(), at: at(1) };
    f.refused(revoke(&ada.token.id, &bob)).await?;
    f.refused(revoke(&f.id(), &ada)).await?;
    check!(f.store.principal(ada.hash()).await?.is_some());
    f.done([revoke(&ada.token.id, &ada)]).await?;
    f.refused(revoke(&ada.token.id, &ada)).await?;
    check!(f.store.principal(bob.hash()).await?.is_some());
    Ok(())
}

pub(crate) async fn tokens_are_looked_at_together(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let ends = [None, Some(at(10)), Some(at(11)), None];
    let keys: Vec<AccessToken> =
        ends.into_iter().map(|expires_at| AccessToken { expires_at, ..api_key(&f, &ada, 0) }).collect();
    f.done(keys.iter().cloned().map(Write::AddToken)).await?;
    f.done([Write::RevokeToken { id: keys[3].id.clone(), user: ada.user.id.clone(), at: at(5) }]).await?;
    let mut asked: Vec<TokenId> = keys.iter().map(|key| key.id.clone()).collect();
    asked.extend((asked.len()..50).map(|_| f.id()));
    let mut valid = f.store.valid_tokens(&asked, at(10)).await?;
    valid.sort();
    let mut expected = [keys[0].id.clone(), keys[2].id.clone()];
    expected.sort();
    check_eq!(valid, expected, "one ends at that moment, one is revoked, the others do not exist");
    check_eq!(f.store.valid_tokens(&[], at(10)).await?, []);
    Ok(())
}
