//! The port suite of rate limits on a Redis server. Each case has keys of its own.
#![cfg(test)]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libtest_mimic::{Arguments, Failed, Trial};
use portway_adapters_redis::RedisRateLimiter;
use portway_conformance::{RateCase, rate_cases};
use portway_domain::rates::{RateClass, RateLimit};
use portway_domain::time::Timestamp;
use portway_ports::rates::{BucketKey, Caller, RateLimiter};
use tokio::net::{TcpListener, TcpStream};

const SERVER: &str = "PORTWAY_TEST_REDIS";

const MISSING: &str = "there is no Redis server: run `cargo xtask test`, or set PORTWAY_TEST_REDIS to its URL";

/// How long a server that is back may go unnoticed.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let mut trials: Vec<Trial> = rate_cases().into_iter().map(case).collect();
    trials.push(trial("redis::a_server_that_comes_back_is_asked_again", comes_back));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Without the server the test shows as ignored, or fails in continuous integration.
fn trial(name: impl Into<String>, test: impl AsyncFnOnce(String) -> Result<(), Failed> + Send + 'static) -> Trial {
    let server = std::env::var(SERVER).ok();
    let is_skipped = server.is_none() && !is_required();
    let kind = if is_skipped { "skipped: set PORTWAY_TEST_REDIS" } else { "" };
    let trial = Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(test(server.ok_or(MISSING)?))
    });
    trial.with_kind(kind).with_ignored_flag(is_skipped)
}

fn case(case: RateCase) -> Trial {
    trial(format!("redis::{}", case.name), async move |server: String| {
        let limiter = limiter(&server, case.name)?;
        (case.run)(limiter.clone()).await?;
        if limiter.is_alone() { Err("the server did not answer in time".into()) } else { Ok(()) }
    })
}

fn limiter(server: &str, test: &str) -> Result<Arc<RedisRateLimiter>, Failed> {
    let prefix = format!("{test}:{:?}:", SystemTime::now().duration_since(UNIX_EPOCH)?);
    Ok(Arc::new(RedisRateLimiter::new(server.parse()?, prefix)?))
}

async fn comes_back(server: String) -> Result<(), Failed> {
    let server: SocketAddr = server.rsplit(['/', '@']).find(|part| part.contains(':')).ok_or(MISSING)?.parse()?;
    let door = TcpListener::bind("127.0.0.1:0").await?;
    let address = door.local_addr()?;
    drop(door);
    let limiter = limiter(&format!("redis://{address}"), "comes_back")?;
    let key = BucketKey { class: RateClass::Standard, caller: Caller::Unknown };
    let limit = RateLimit::a_minute(3)?;
    let take = async || limiter.take(&key, limit, Timestamp::from_millis(1_771_927_200_000), 0).await;
    take().await;
    if !limiter.is_alone() {
        return Err("nobody answers, and that is not known".into());
    }
    let door = TcpListener::bind(address).await?;
    tokio::spawn(async move {
        while let (Ok((mut inside, _)), Ok(mut outside)) = (door.accept().await, TcpStream::connect(server).await) {
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut inside, &mut outside).await });
        }
    });
    let patience = async {
        while limiter.is_alone() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            take().await;
        }
    };
    tokio::time::timeout(PATIENCE, patience).await.map_err(|_| "the server is back, and nobody asks it".into())
}

fn is_required() -> bool {
    let is_set = |name| std::env::var(name).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    is_set("CI") || is_set("PORTWAY_REQUIRE_COMPONENTS")
}
