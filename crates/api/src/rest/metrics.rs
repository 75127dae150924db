//! Requests and sockets, counted, and the page that tells all metrics.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use axum::response::Response;
use futures_util::future::join_all;
use http::StatusCode;
use portway_domain::time::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::serve::content;
use crate::error::ApiError;
use crate::metrics::{Collected, MetricsSource};
use crate::row::Row;
use crate::socket::{ServeSocket, serve_socket};

const PREFIX: &str = "portway";

/// The format that [`prometheus_client`] writes.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the groups that durations are counted in, in seconds.
const DURATIONS: [f64; 12] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Classes of statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What requests for a path that is in no table are counted under.
const NO_OPERATION: &str = "none";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    operation: &'static str,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// Whether anything is counted.
const HAS_METRICS: bool = cfg!(feature = "metrics");

pub(super) struct Metrics(Option<Counters>);

struct Counters {
    registry: Registry,
    /// What was found for each operation, so that it is looked for once.
    found: HashMap<&'static str, Found>,
    requests: Family<Outcome, Counter<u64, AtomicU64>>,
    durations: Family<Route, Histogram>,
    sockets: Family<Kind, Gauge>,
    sources: Vec<Arc<dyn MetricsSource>>,
}

/// The metrics of one operation.
#[derive(Default)]
struct Found {
    durations: OnceLock<Histogram>,
    classes: [OnceLock<Counter<u64, AtomicU64>>; CLASSES.len()],
}

impl Metrics {
    /// Of operations and endpoints with those names.
    pub(super) fn new(names: impl Iterator<Item = &'static str>, sources: &[Arc<dyn MetricsSource>]) -> Self {
        Self(HAS_METRICS.then(|| Counters::new(names, sources.to_vec())))
    }

    fn counters(&self) -> Option<&Counters> {
        if HAS_METRICS { self.0.as_ref() } else { None }
    }

    /// Counts a request that was answered.
    pub(super) fn answered(&self, row: Option<&Row>, status: StatusCode, began: Timestamp, ended: Timestamp) {
        if let Some(counters) = self.counters() {
            counters.answered(row, status, began, ended);
        }
    }

    /// The same socket, counted for as long as it is open.
    pub(super) fn counted(&self, row: &Row, serve: ServeSocket) -> ServeSocket {
        match self.counters() {
            Some(counters) => counters.counted(row, serve),
            None => serve,
        }
    }

    /// The page.
    pub(super) async fn page(&self) -> Result<Response, ApiError> {
        match self.counters() {
            Some(counters) => counters.page().await,
            None => Err(ApiError::not_found()),
        }
    }
}

impl Counters {
    fn new(names: impl Iterator<Item = &'static str>, sources: Vec<Arc<dyn MetricsSource>>) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let requests = Family::default();
        registry.register("http_requests", "Requests by operation and class of the status", requests.clone());
        let durations = Family::new_with_constructor((|| Histogram::new(DURATIONS)) as fn() -> Histogram);
        let help = "Time from the head of a request to its response; for sockets, to their opening";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, durations.clone());
        let sockets = Family::default();
        registry.register("sockets_open", "Open WebSockets by kind", sockets.clone());
        let found = names.chain([NO_OPERATION]).map(|name| (name, Found::default())).collect();
        Self { registry, found, requests, durations, sockets, sources }
    }

    fn answered(&self, row: Option<&Row>, status: StatusCode, began: Timestamp, ended: Timestamp) {
        let operation = row.map_or(NO_OPERATION, |row| row.name);
        let (Some(found), class) = (self.found.get(operation), class(status)) else { return };
        let count = || self.requests.get_or_create_owned(&Outcome { operation, class: CLASSES[class] });
        found.classes[class].get_or_init(count).inc();
        let durations = || self.durations.get_or_create_owned(&Route { operation });
        found.durations.get_or_init(durations).observe(ended.since(began).as_secs_f64());
    }

    fn counted(&self, row: &Row, serve: ServeSocket) -> ServeSocket {
        let open = self.sockets.get_or_create_owned(&Kind { kind: row.name });
        serve_socket(move |socket| async move {
            let _open = Open::count(open);
            serve(socket).await;
        })
    }

    async fn page(&self) -> Result<Response, ApiError> {
        let collected = join_all(self.sources.iter().map(|source| source.metrics())).await;
        let mut there = Registry::with_prefix(PREFIX);
        there.register_collector(Box::new(Collected(collected.into_iter().flatten().collect())));
        let text = self.text(&there).map_err(|_| ApiError::internal("the metrics cannot be written"))?;
        Ok(content(StatusCode::OK, MEDIA_TYPE, text.into()))
    }

    fn text(&self, there: &Registry) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, there)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

/// The place of a status in [`CLASSES`].
fn class(status: StatusCode) -> usize {
    usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1
}

/// A socket that is open; dropping it, even by a panic, counts it as closed.
struct Open(Gauge);

impl Open {
    fn count(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
