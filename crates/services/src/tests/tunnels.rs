//! How sandboxes are reached from outside, and who is let in.

use std::collections::BTreeMap;

use portway_domain::engine::RunnerReport;
use portway_domain::ids::SessionId;
use portway_domain::messages::Part;
use portway_domain::runner_requests::{FailureCode, RunnerRequest, RunnerResponse};
use portway_domain::sandbox_tokens::SandboxRootKey;
use portway_domain::tokens::TokenSecret;
use portway_domain::tunnels::{Exposure, SandboxUrls, Tunnel, Tunnels};
use portway_ports::pubsub::Hint;
use portway_ports::sessions::MessageRange;

use super::world::World;
use crate::error::Error;

fn urls() -> SandboxUrls {
    BTreeMap::from([("gateway".to_owned(), "https://g.example".to_owned())]).into()
}

fn tunnels() -> Tunnels {
    let web = Tunnel { name: "web".to_owned(), port: 3000, protocol: None, path: "/t/web".to_owned() };
    vec![web].into()
}

/// A session whose sandbox is reached, and has a tunnel.
async fn exposed(world: &World) -> SessionId {
    *world.sandboxes.urls.lock().unwrap() = urls();
    let id = world.open_ready().await;
    while world.engine(&id).await.runner.exposure.urls.is_empty() {
        tokio::task::yield_now().await;
    }
    world.services.runner_reported(&id, 1, vec![(2, RunnerReport::Tunnels(tunnels()))]).await.unwrap();
    id
}

async fn seen(world: &World, id: &SessionId) -> Exposure {
    world.services.exposure(&world.as_owner(), id).await.unwrap()
}

/// The request for the tunnel's end, once it was made.
async fn asked(world: &World) -> (String, RunnerRequest) {
    loop {
        let asked = world.hints.all().into_iter().find_map(|(_, hint)| match hint {
            Hint::RunnerAsked(asked) => Some((asked.request_id, asked.request)),
            _ => None,
        });
        match asked {
            Some(asked) => break asked,
            None => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_sandbox_is_reached_until_it_goes() {
    let world = World::new().await;
    let id = exposed(&world).await;
    assert_eq!(seen(&world, &id).await, Exposure { urls: urls(), tunnels: tunnels() });
    world.services.hibernate_session(&world.as_owner(), &id).await.unwrap();
    assert_eq!(seen(&world, &id).await, Exposure::default());
    world.services.terminate_session(&world.as_owner(), &id).await.unwrap();
    assert_eq!(seen(&world, &id).await, Exposure::default());
}

#[tokio::test]
async fn a_tunnel_is_closed_by_the_runner() {
    let world = World::new().await;
    let id = exposed(&world).await;
    let unknown = world.services.close_tunnel(&world.as_owner(), &id, "other").await;
    assert_eq!(unknown, Err(Error::NotFound { resource: "Tunnel", id: "other".to_owned() }));

    let context = world.as_owner();
    let answer = async {
        let (request_id, request) = asked(&world).await;
        assert!(matches!(&request, RunnerRequest::CloseTunnel { name, .. } if name == "web"), "{request:?}");
        world.services.runner_answered(&id, request_id, RunnerResponse::Done { result: None });
    };
    let (closed, ()) = tokio::join!(world.services.close_tunnel(&context, &id, "web"), answer);
    assert_eq!(closed, Ok(()));
    let all = MessageRange { after: 0, limit: 100 };
    let transcript = world.services.messages(&world.as_owner(), &id, all).await.unwrap();
    let parts: Vec<_> = transcript.into_iter().flat_map(|message| message.parts).collect();
    assert_eq!(parts, [Part::TunnelClosed { name: "web".to_owned() }]);
    assert_eq!(seen(&world, &id).await.tunnels, tunnels(), "the list is the runner's");
}

#[tokio::test]
async fn a_tunnel_that_nobody_closes_stays() {
    let world = World::new().await;
    let id = exposed(&world).await;
    let late = world.services.close_tunnel(&world.as_owner(), &id, "web").await;
    assert!(matches!(late, Err(Error::Unavailable { .. })), "{late:?}");

    let world = World::new().await;
    let id = exposed(&world).await;
    let context = world.as_owner();
    let answer = async {
        let (request_id, _) = asked(&world).await;
        let refused = RunnerResponse::failed(FailureCode::NotAvailable, "not here");
        world.services.runner_answered(&id, request_id, refused);
    };
    let (closed, ()) = tokio::join!(world.services.close_tunnel(&context, &id, "web"), answer);
    assert_eq!(closed, Err(Error::NotAvailable("not here".to_owned())));
    let all = MessageRange { after: 0, limit: 100 };
    assert_eq!(world.services.messages(&world.as_owner(), &id, all).await.unwrap(), []);
}

#[tokio::test]
async fn a_pass_is_for_a_sandbox_that_is_there_and_reached() {
    let root = SandboxRootKey::new(TokenSecret::opaque("root").unwrap());
    let world = World::with_services(|services| services.with_sandbox_root_key(Some(root.clone()))).await;
    let pass = async |id: &SessionId| world.services.sandbox_pass(&world.as_owner(), id).await;
    let hidden = world.open_ready().await;
    assert!(matches!(pass(&hidden).await, Err(Error::Unavailable { .. })), "it is reached nowhere");

    let id = exposed(&world).await;
    let key = root.of_session(&id);
    assert_eq!(world.sandboxes.key.lock().unwrap().as_ref(), Some(&key), "the backend can check the token");
    let given = pass(&id).await.unwrap();
    let owner = world.engine(&id).await.owner;
    assert_eq!((given.token, given.expires_at), key.token(&owner, &id, world.services.moment().now));
    assert_eq!(given.urls, BTreeMap::from(urls()));

    world.services.hibernate_session(&world.as_owner(), &id).await.unwrap();
    let refused = pass(&id).await;
    assert!(matches!(refused, Err(Error::SandboxAway { status: "hibernating" | "hibernated" })), "{refused:?}");
    world.services.terminate_session(&world.as_owner(), &id).await.unwrap();
    assert!(matches!(pass(&id).await, Err(Error::Unavailable { .. })));
}

#[tokio::test]
async fn without_a_root_key_there_is_no_pass() {
    let world = World::new().await;
    let id = exposed(&world).await;
    assert!(world.sandboxes.key.lock().unwrap().is_none());
    let refused = world.services.sandbox_pass(&world.as_owner(), &id).await;
    assert!(matches!(refused, Err(Error::NotAvailable(_))), "{refused:?}");
}
