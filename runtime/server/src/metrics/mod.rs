//! What a host has counted, as Prometheus reads it.
//!
//! A registry is made for each scrape, over what the supervisor tells at that moment: the series of a plugin end with it,
//! and nothing is kept here. `docs/metrics.md` says what each metric means.

mod family;
mod host;
mod plugins;

use palisade::{HostMeasures, Supervisor};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;

/// The media type of [`metrics`]: the text format that every Prometheus and every collector reads.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a supervisor has counted, in the text format of Prometheus.
///
/// # Errors
///
/// [`fmt::Error`](std::fmt::Error) when a value cannot be written.
pub(crate) async fn metrics(supervisor: &Supervisor) -> Result<String, std::fmt::Error> {
    render(supervisor.measures().await)
}

/// Measures in the text format of Prometheus.
fn render(measures: HostMeasures) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(measures)));
    let mut text = String::new();
    encode_registry(&mut text, &registry)?;
    Ok(text)
}

/// One reading of everything.
#[derive(Debug)]
struct Scrape(HostMeasures);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        plugins::encode(&self.0.plugins, &mut encoder)?;
        host::encode(&self.0, &mut encoder)
    }
}
