//! Spans on their way to a collector, over OTLP, when the standard variables of OpenTelemetry name one.
//!
//! Nothing that goes wrong with that is more than a warning, and nothing waits for longer than a command's user would.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use palisade_signer::{Surroundings, Terminal, TraceCollector};
use thiserror::Error;
use tracing::Level;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

/// Whose spans are sent: the library's. The engine and the HTTP client have spans of their own, and those of the latter
/// would follow from sending.
const TARGET: &str = "palisade";

/// How long one request to the collector may take, and all that is left when the program ends. A collector that is there
/// answers in milliseconds, and nobody waits longer for a command that is over.
const EXPORT_TIME: Duration = Duration::from_secs(3);

/// Tracing has one subscriber for the whole process, so there is one of these.
static EXPORT: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Sends spans from now on, if somebody asked for it. Starts threads, so it comes after the process was confined.
pub(crate) fn start(surroundings: &Surroundings, terminal: &mut Terminal) {
    let Some(collector) = &surroundings.traces else {
        return;
    };
    if let Err(error) = send_to(collector) {
        warn(terminal, &error);
    }
}

/// Sends what was not sent yet.
pub(crate) fn end(terminal: &mut Terminal) {
    let Some(export) = EXPORT.get() else {
        return;
    };
    if let Err(error) = export.force_flush() {
        warn(terminal, &error);
    }
    // Everything was sent or was told about; what is left are threads that the end of the process ends as well.
    let _ = export.shutdown_with_timeout(EXPORT_TIME);
}

fn warn(terminal: &mut Terminal, error: &dyn std::error::Error) {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    terminal.warn(format_args!("traces were not sent: {}", causes.join(": ")));
}

fn send_to(collector: &TraceCollector) -> Result<(), TelemetryError> {
    // The HTTP client of the exporter takes the provider of the process, which has none otherwise. It may be there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&collector.endpoint)
        .with_timeout(EXPORT_TIME)
        .build()?;
    let resource = Resource::builder().with_service_name(collector.service_name.clone());
    let export = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build();
    let spans = tracing_opentelemetry::layer().with_tracer(export.tracer(TARGET));
    let spans = spans.with_filter(Targets::new().with_target(TARGET, Level::INFO));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(spans))?;
    // Nobody else sets it: the subscriber could be set once only.
    let _ = EXPORT.set(export);
    Ok(())
}

#[derive(Debug, Error)]
enum TelemetryError {
    #[error("the exporter could not be made")]
    Exporter(#[from] ExporterBuildError),
    #[error("there is another subscriber")]
    Subscriber(#[from] SetGlobalDefaultError),
}
