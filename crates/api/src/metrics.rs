//! What can be read about a running gateway, in the OpenMetrics text format that Prometheus reads.
//!
//! The api itself counts requests and sockets. Whatever else there is to tell comes from [`MetricsSource`]s, which are
//! asked when somebody looks: [`Services`](portway_services::Services) is one, and a host may add its own.

mod services;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// Who may read the metrics, and what they tell besides requests and sockets.
#[derive(Clone, Default)]
pub struct MetricsOptions {
    /// Lets everybody read them. Otherwise only programs on this very machine may, and for others there is no such path.
    pub public: bool,
    /// What is asked when somebody looks.
    pub sources: Vec<Arc<dyn MetricsSource>>,
}

impl fmt::Debug for MetricsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsOptions").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Tells numbers when it is asked.
#[async_trait]
pub trait MetricsSource: Send + Sync {
    /// The numbers as they are now. What cannot be found out at the moment is left out.
    async fn metrics(&self) -> Vec<Metric>;
}

/// One quantity, for each value of its label if it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its name, without the prefix `portway_`, without the unit, and without `_total`.
    pub name: &'static str,
    /// What it is, in a few words that begin with a capital and have no full stop.
    pub help: &'static str,
    /// What it is counted in, such as `bytes`; empty for plain numbers.
    pub unit: &'static str,
    /// How it changes.
    pub kind: MetricKind,
    /// Name of the label that tells the values apart; empty when there is one value only.
    pub label: &'static str,
    /// Value of the label, and value of the metric.
    pub values: Vec<(&'static str, f64)>,
}

/// How a number changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows, from the start of the process.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Metric {
    /// A plain number that goes up and down.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, unit: "", kind: MetricKind::Gauge, label: "", values: vec![("", value)] }
    }

    /// A plain number that only grows.
    #[must_use]
    pub fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { kind: MetricKind::Counter, ..Self::gauge(name, help, value) }
    }

    /// The same in a unit.
    #[must_use]
    pub fn in_unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// The same with a value for each value of a label.
    #[must_use]
    pub fn by(self, label: &'static str, values: Vec<(&'static str, f64)>) -> Self {
        Self { label, values, ..self }
    }
}

/// Writes metrics that were collected a moment ago.
#[derive(Debug)]
pub(crate) struct Collected(pub(crate) Vec<Metric>);

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in &self.0 {
            let unit = (!metric.unit.is_empty()).then(|| Unit::Other(metric.unit.to_owned()));
            let kind = match metric.kind {
                MetricKind::Counter => MetricType::Counter,
                MetricKind::Gauge => MetricType::Gauge,
            };
            let mut values =
                encoder.encode_descriptor(metric.name, &format!("{}.", metric.help), unit.as_ref(), kind)?;
            for (label, value) in &metric.values {
                if metric.label.is_empty() {
                    encode(metric.kind, *value, &mut values)?;
                } else {
                    encode(metric.kind, *value, &mut values.encode_family(&[(metric.label, *label)])?)?;
                }
            }
        }
        Ok(())
    }
}

fn encode(kind: MetricKind, value: f64, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
    match kind {
        MetricKind::Counter => encoder.encode_counter::<NoLabelSet, _, f64>(&value, None),
        MetricKind::Gauge => encoder.encode_gauge(&value),
    }
}
