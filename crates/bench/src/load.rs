//! Requests to a server over a number of kept connections, and what they cost it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::{Connection, Request};
use crate::failure::Failure;
use crate::server::Server;

/// What to ask.
pub(crate) struct Load {
    /// One after the other, and then from the beginning.
    pub(crate) asked: Vec<Request>,
    /// The status that every answer must have.
    pub(crate) status: u16,
    /// Connections, each with one request at a time.
    pub(crate) connections: usize,
    /// Requests over all connections.
    pub(crate) requests: usize,
}

/// What it cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Processor time of the server for each request, in microseconds.
    pub(crate) cpu: f64,
    /// Requests in a second.
    pub(crate) per_second: f64,
    /// Half of the answers took no longer, in milliseconds.
    pub(crate) p50: f64,
    /// 95 of 100 answers took no longer, in milliseconds.
    pub(crate) p95: f64,
    /// 99 of 100 answers took no longer, in milliseconds.
    pub(crate) p99: f64,
}

impl Sample {
    /// The median of each figure.
    pub(crate) fn median(samples: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(samples.iter().map(figure).collect());
        Self {
            cpu: of(|s| s.cpu),
            per_second: of(|s| s.per_second),
            p50: of(|s| s.p50),
            p95: of(|s| s.p95),
            p99: of(|s| s.p99),
        }
    }
}

/// The value in the middle; 0 of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Puts a load on a server.
pub(crate) async fn run(server: &Server, load: &Load) -> Result<Sample, Failure> {
    let mut connections = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        connections.push(Connection::open(server.address).await?);
    }
    let turn: Arc<[Vec<u8>]> = load.asked.iter().map(|request| request.bytes(server.address)).collect();
    let each = load.requests.div_ceil(load.connections);
    let cpu = server.cpu_seconds()?;
    let begin = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        let mine = (number..).step_by(load.connections).take(each);
        clients.spawn(client(connection, turn.clone(), load.status, mine));
    }
    let mut times = Vec::with_capacity(load.requests);
    while let Some(done) = clients.join_next().await {
        times.extend(done.map_err(|error| Failure::Server(error.to_string()))??);
    }
    let elapsed = begin.elapsed().as_secs_f64();
    let cpu = server.cpu_seconds()? - cpu;
    let count = times.len() as f64;
    times.sort_unstable();
    Ok(Sample {
        cpu: cpu * 1e6 / count,
        per_second: count / elapsed,
        p50: percentile(&times, 50),
        p95: percentile(&times, 95),
        p99: percentile(&times, 99),
    })
}

async fn client(
    mut connection: Connection,
    turn: Arc<[Vec<u8>]>,
    status: u16,
    places: impl Iterator<Item = usize>,
) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::new();
    for place in places {
        let Some(request) = turn.get(place % turn.len().max(1)) else {
            break;
        };
        let begin = Instant::now();
        let answered = connection.send(request).await?;
        times.push(begin.elapsed());
        if answered != status {
            return Err(Failure::Server(format!("expected status {status}, got {answered}")));
        }
    }
    Ok(times)
}

/// In milliseconds; `sorted` is in ascending order.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_from_the_answers() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert!((percentile(&times, 50) - 100.0).abs() < 1e-9);
        assert!((percentile(&times, 99) - 198.0).abs() < 1e-9);
        assert!((percentile(&[], 99)).abs() < 1e-9);
    }

    #[test]
    fn one_bad_round_does_not_move_the_median() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!(median(Vec::new()).abs() < 1e-9);
    }
}
