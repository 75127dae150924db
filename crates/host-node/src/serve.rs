//! `portway serve`: from the listening socket to the drained end.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use portway_adapters_redis::{RedisError, RedisRateLimiter};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;

use crate::config::{Config, ObjectsError, ServeArgs};
use crate::connection;
use crate::gateway::{Gateway, GatewayBuilder};
use crate::peer::Via;
use crate::proxies::TrustedProxies;
use crate::remote_sandboxes::{self, RemoteError};

/// Most connections at once; further ones wait to be accepted.
const CONNECTIONS: usize = 10_000;

/// How long requests and sockets may take to close once no agent is at work.
const CLOSE: Duration = Duration::from_secs(5);

/// Runs the gateway until it is told to stop. It is what `adapt` makes of the one that the arguments describe.
pub async fn run(args: ServeArgs, adapt: impl FnOnce(GatewayBuilder) -> GatewayBuilder) -> ExitCode {
    let config = match Config::load(args) {
        Ok(config) => config,
        Err(error) => return refuse(&error.to_string()),
    };
    let listener = match TcpListener::bind(config.listen).await {
        Ok(listener) => listener,
        Err(error) => return refuse(&format!("cannot listen on {}: {error}", config.listen)),
    };
    let address = match listener.local_addr() {
        Ok(address) => address,
        Err(error) => return refuse(&format!("cannot listen on {}: {error}", config.listen)),
    };
    // Before anything is started: a signal that came without them would leave it behind.
    let Ok(signals) = Signals::listen() else {
        return refuse("signals cannot be received");
    };
    let builder = match builder(&config, address) {
        Ok(builder) => builder,
        Err(error) => return refuse(&error.to_string()),
    };
    let gateway = match adapt(builder).build().await {
        Ok(gateway) => gateway,
        Err(error) => return refuse(&error.to_string()),
    };
    if config.rate_limits.is_none() && config.public_url.is_some() && config.trusted_proxies.is_empty() {
        tracing::info!("callers are not limited: name the proxy in trusted_proxies, and they are by their addresses");
    }
    tokio::spawn(gateway.run());
    greet(&gateway, address);
    serve(listener, gateway, &config, signals).await
}

/// Keys on a Redis server begin with this.
const REDIS_PREFIX: &str = "portway:";

/// What the operator decided, for the gateway.
fn builder(config: &Config, address: SocketAddr) -> Result<GatewayBuilder, BuilderError> {
    let mut builder = Gateway::builder()
        .data_folder(&config.data)
        .gateway_address(address)
        .default_agent(&config.default_agent)
        .timeouts(config.timeouts)
        .max_children(config.max_children)
        .access_log(config.access_log)
        .public_metrics(config.public_metrics)
        .allowed_hosts(&config.allowed_hosts)
        .allowed_origins(&config.allowed_origins);
    if let Some(limits) = config.rate_limits {
        builder = builder.rate_limits(limits);
        if let Some(url) = &config.redis {
            builder = builder.rate_limiter(Arc::new(RedisRateLimiter::new(url.clone(), REDIS_PREFIX)?));
        }
    }
    if let Some(url) = &config.database {
        builder = builder.database_url(url.clone());
    }
    for (name, command) in &config.agents {
        builder = builder.agent(name, command.clone());
    }
    if let Some(url) = &config.public_url {
        builder = builder.public_url(url);
    }
    if let Some(key) = &config.bootstrap_key {
        builder = builder.bootstrap_key(key.clone());
    }
    if let Some(objects) = &config.objects {
        builder = builder.objects(objects.open()?);
    }
    match &config.sandbox {
        Some(sandbox) => Ok(remote_sandboxes::add(builder, config, sandbox, address)?),
        None => Ok(builder),
    }
}

/// Why what the operator decided cannot be done.
#[derive(Debug, thiserror::Error)]
enum BuilderError {
    #[error(transparent)]
    Sandboxes(#[from] RemoteError),
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    #[error("Redis cannot be used: {0}")]
    Redis(#[from] RedisError),
}

/// Says on standard error why nothing was started.
pub(crate) fn refuse(reason: &str) -> ExitCode {
    let mut stderr = std::io::stderr().lock();
    for line in reason.lines() {
        let _ = writeln!(stderr, "portway: {line}");
    }
    ExitCode::from(2)
}

/// Says on standard output where the gateway is, and the first time how to get in.
fn greet(gateway: &Gateway, address: SocketAddr) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "Portway listens on http://{address} (API: http://{address}/docs)");
    if let Some(key) = gateway.first_key() {
        let file = gateway.folder().map(|folder| format!(", also in {}", folder.bootstrap_key().display()));
        let _ = writeln!(stdout, "Administrator key{}: {}", file.unwrap_or_default(), key.reveal());
        let _ = writeln!(stdout, "Talk to the demo agent in another terminal: portway chat");
    }
    let _ = stdout.flush();
}

/// What tells the program to stop.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn serve(listener: TcpListener, gateway: Gateway, config: &Config, mut signals: Signals) -> ExitCode {
    let graceful = serve_until_told(listener, gateway.service(), &config.trusted_proxies, &mut signals).await;
    let shutdown = async {
        if !gateway.idle(config.drain).await {
            tracing::warn!("some agents were still at work; their turns end with an error");
        }
        gateway.close_sockets();
        close(graceful).await;
        gateway.stop().await;
    };
    tokio::select! {
        () = shutdown => ExitCode::SUCCESS,
        () = signals.next() => ExitCode::FAILURE,
    }
}

/// Serves connections until a signal comes; nobody is listened to from then on. Answers what ends the connections that
/// are left.
pub(crate) async fn serve_until_told(
    listener: TcpListener,
    router: Router,
    proxies: &TrustedProxies,
    signals: &mut Signals,
) -> GracefulShutdown {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    loop {
        tokio::select! {
            accepted = accept(&listener, &connections) => {
                let Some((stream, peer, permit)) = accepted else { continue };
                let served = connection::serve(stream, Via { peer, proxies: proxies.clone() }, router.clone(), graceful.watcher());
                tokio::spawn(async move {
                    served.await;
                    drop(permit);
                });
            }
            () = signals.next() => break,
        }
    }
    tracing::info!("stopping; a second signal stops at once");
    graceful
}

/// Lets the requests that are left come to their end.
pub(crate) async fn close(graceful: GracefulShutdown) {
    if tokio::time::timeout(CLOSE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections did not close in time");
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = connections.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, permit)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            // Out of file descriptors, most likely: trying again at once would only burn time.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
