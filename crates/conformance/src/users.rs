//! Users.

use portway_domain::access::Role;
use portway_domain::ids::UserId;
use portway_domain::users::User;
use portway_ports::commit::{Commit, Write};

use crate::failure::Outcome;
use crate::fixture::{Fixture, at};
use crate::samples::full_user;

pub(crate) async fn a_store_begins_without_users(f: Fixture) -> Outcome {
    check!(!f.store.has_users().await?);
    f.person("ada").await?;
    check!(f.store.has_users().await?);
    Ok(())
}

pub(crate) async fn an_added_user_is_found(f: Fixture) -> Outcome {
    let full = full_user(f.id(), "full@example.org");
    let plain = User::new(f.id(), "plain@example.org".to_owned(), Role::Member, at(0));
    f.done([Write::AddUser(full.clone()), Write::AddUser(plain.clone())]).await?;
    check_eq!(f.store.user(&full.id).await?, Some(full));
    check_eq!(f.store.user(&plain.id).await?, Some(plain));
    let ada = f.person("ada").await?;
    let seen = f.store.caller(ada.hash()).await?;
    check_eq!(seen.value, Some(ada.user.clone()));
    check_eq!(seen.caller.map(|caller| caller.user), Some(ada.user.id));
    Ok(())
}

pub(crate) async fn an_absent_user_is_none(f: Fixture) -> Outcome {
    f.person("ada").await?;
    check_eq!(f.store.user(&f.id()).await?, None);
    Ok(())
}

pub(crate) async fn a_taken_id_or_address_conflicts(f: Fixture) -> Outcome {
    let ada = full_user(f.id(), "ada@example.org");
    f.done([Write::AddUser(ada.clone())]).await?;
    f.refused(Write::AddUser(full_user(ada.id.clone(), "other@example.org"))).await?;
    let other: UserId = f.id();
    f.refused(Write::AddUser(full_user(other.clone(), "ada@example.org"))).await?;
    check_eq!(f.store.user(&ada.id).await?, Some(ada));
    check_eq!(f.store.user(&other).await?, None);
    Ok(())
}

pub(crate) async fn a_set_user_has_all_new_fields_and_the_next_version(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let bob = f.person("bob").await?;
    let new = User { version: 77, ..full_user(ada.user.id.clone(), "new@example.org") };
    f.done([Write::SetUser { user: new.clone(), version: 1 }]).await?;
    check_eq!(f.store.user(&ada.user.id).await?, Some(User { version: 2, ..new.clone() }));
    let plain = User { name: None, max_active_sessions: None, model_preferences: Vec::new(), ..new };
    f.done([Write::SetUser { user: plain.clone(), version: 2 }]).await?;
    check_eq!(f.store.user(&ada.user.id).await?, Some(User { version: 3, ..plain }));
    check_eq!(f.store.user(&bob.user.id).await?, Some(bob.user));
    Ok(())
}

pub(crate) async fn a_set_user_keeps_addresses_unique(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let bob = f.person("bob").await?;
    let thief = User { email: ada.user.email.clone(), ..bob.user.clone() };
    f.refused(Write::SetUser { user: thief, version: 1 }).await?;
    check_eq!(f.store.user(&bob.user.id).await?, Some(bob.user));
    Ok(())
}

pub(crate) async fn a_bump_changes_the_version_only(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    f.done([Write::BumpUser { id: ada.user.id.clone(), version: 1 }]).await?;
    check_eq!(f.store.user(&ada.user.id).await?, Some(User { version: 2, ..ada.user }));
    Ok(())
}

pub(crate) async fn a_stale_or_missing_user_conflicts(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    f.done([Write::BumpUser { id: ada.user.id.clone(), version: 1 }]).await?;
    let renamed = User { name: Some("Other".to_owned()), ..ada.user.clone() };
    for version in [0, 1, 3] {
        f.refused(Write::SetUser { user: renamed.clone(), version }).await?;
        f.refused(Write::BumpUser { id: ada.user.id.clone(), version }).await?;
    }
    let nobody = full_user(f.id(), "nobody@example.org");
    f.refused(Write::BumpUser { id: nobody.id.clone(), version: 1 }).await?;
    f.refused(Write::SetUser { user: nobody.clone(), version: 1 }).await?;
    check_eq!(f.store.user(&ada.user.id).await?, Some(User { version: 2, ..ada.user.clone() }));
    check_eq!(f.store.user(&nobody.id).await?, None);
    // One set may change the same row twice.
    let bump = |version| Write::BumpUser { id: ada.user.id.clone(), version };
    f.expect(Commit::Conflict { write: 1 }, [bump(2), bump(2)]).await?;
    f.done([bump(2), bump(3)]).await
}
