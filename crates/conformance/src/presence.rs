//! Client sockets on several nodes.

use portway_domain::ids::SessionId;
use portway_ports::presence::OpenSocket;

use crate::failure::Outcome;
use crate::fixture::{Fixture, Person, at};
use crate::samples::node;

/// Numbers begin at a time in microseconds.
const FIRST: u64 = 1_700_000_000_000_000;

fn socket(on: u8, number: u64, session: &SessionId, person: &Person) -> OpenSocket {
    OpenSocket { node: node(on), number: FIRST + number, session: session.clone(), user: person.user.id.clone() }
}

/// Who is there for a node at a time in seconds, by name.
async fn present(f: &Fixture, session: &SessionId, on: u8, seconds: i64) -> Outcome<Vec<Option<String>>> {
    let users = f.store.present_elsewhere(session, &node(on), at(seconds)).await?;
    Ok(users.into_iter().map(|user| user.name).collect())
}

pub(crate) async fn sockets_of_other_nodes_that_are_there_count(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let session = f.session(&ada).await?.id;
    let names = [&ada, &bob].map(|person| person.user.name.clone());
    f.store.add_sockets(&[socket(1, 1, &session, &ada), socket(2, 1, &session, &bob)]).await?;
    check_eq!(present(&f, &session, 3, 1).await?, [], "nobody has said that the nodes are there");
    f.store.be_there(&node(1), at(10)).await?;
    f.store.be_there(&node(2), at(20)).await?;
    check_eq!(present(&f, &session, 3, 9).await?, names);
    check_eq!(present(&f, &session, 1, 9).await?, names[1..]);
    check_eq!(present(&f, &session, 2, 9).await?, names[..1]);
    check_eq!(present(&f, &session, 3, 10).await?, names[1..], "the first is gone");
    check_eq!(present(&f, &f.session(&ada).await?.id, 3, 9).await?, [], "another session");
    let user = f.store.present_elsewhere(&session, &node(1), at(9)).await?.remove(0);
    check_eq!((user.id, user.email, user.avatar_url), (bob.user.id, bob.user.email, bob.user.avatar_url));
    Ok(())
}

pub(crate) async fn every_socket_counts(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?.id;
    f.store.be_there(&node(1), at(10)).await?;
    f.store.add_sockets(&[socket(1, 1, &session, &ada), socket(1, 2, &session, &ada)]).await?;
    check_eq!(present(&f, &session, 2, 1).await?.len(), 2);
    f.store.remove_sockets(&node(1), &[FIRST + 1]).await?;
    check_eq!(present(&f, &session, 2, 1).await?.len(), 1);
    Ok(())
}

pub(crate) async fn sockets_are_listed_by_number(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?.id;
    let sockets = [1, 2, 3].map(|number| socket(1, number, &session, &ada));
    let [first, second, third] = &sockets;
    f.store.add_sockets(&[third.clone(), first.clone(), socket(2, 2, &session, &ada), second.clone()]).await?;
    check_eq!(f.store.sockets_of_node(&node(1), 0, 2).await?, sockets[..2]);
    check_eq!(f.store.sockets_of_node(&node(1), second.number, 2).await?, sockets[2..]);
    check_eq!(f.store.sockets_of_node(&node(3), 0, 2).await?, []);
    Ok(())
}

pub(crate) async fn a_socket_is_added_once_and_removed_once(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?.id;
    let [one, two] = [socket(1, 1, &session, &ada), socket(1, 2, &session, &ada)];
    f.store.add_sockets(std::slice::from_ref(&one)).await?;
    f.store.add_sockets(&[one.clone(), two.clone()]).await?;
    check_eq!(f.store.sockets_of_node(&node(1), 0, 9).await?, [one.clone(), two.clone()]);
    f.store.remove_sockets(&node(2), &[one.number]).await?;
    f.store.remove_sockets(&node(1), &[one.number, one.number, FIRST]).await?;
    check_eq!(f.store.sockets_of_node(&node(1), 0, 9).await?, [two]);
    Ok(())
}
