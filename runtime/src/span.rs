//! Spans: what is done to a plugin, and how it ended, for whoever collects traces. Without a subscriber they cost a look at
//! one number.

use palisade_bundle::Coded;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use crate::lifecycle::Operation;

/// The outcome of what went well; everything else ends with the code of its error.
const OK: &str = "ok";

/// Does the work within its span, and notes there how it ended.
pub(crate) async fn within<T, E: Coded>(span: Span, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let result = work.instrument(span.clone()).await;
    if !span.is_disabled() {
        span.record(
            "outcome",
            result.as_ref().map_or_else(|error| error.code().as_str(), |_| OK),
        );
    }
    result
}

/// One command of a plugin.
pub(crate) fn of_call(plugin: &str, version: &str, command: &str) -> Span {
    info_span!("plugin.call", plugin, version, command, outcome = Empty)
}

/// An install, of which is known what it installs when the bundle was verified: see [`is_about`].
pub(crate) fn of_install() -> Span {
    info_span!(
        "plugin.install",
        plugin = Empty,
        version = Empty,
        operation_id = Empty,
        outcome = Empty
    )
}

/// Says what the install is about that this is called in.
pub(crate) fn is_about(plugin: &str, version: &str, operation_id: &str) {
    Span::current()
        .record("plugin", plugin)
        .record("version", version)
        .record("operation_id", operation_id);
}

/// A change of what a plugin keeps, from outside of it.
pub(crate) fn of_data(plugin: &str, version: &str, operation_id: &str) -> Span {
    info_span!("plugin.state_change", plugin, version, operation_id, outcome = Empty)
}

/// An operation on an installed plugin, which has this version when it begins.
pub(crate) fn of_operation(operation: Operation, plugin: &str, version: &str, operation_id: &str) -> Span {
    // The name of a span has to be known to the compiler.
    macro_rules! named {
        ($name:literal) => {
            info_span!($name, plugin, version, operation_id, outcome = Empty)
        };
    }
    match operation {
        Operation::Enable => named!("plugin.enable"),
        Operation::Disable => named!("plugin.disable"),
        Operation::Restart => named!("plugin.restart"),
        Operation::Reload => named!("plugin.reload"),
        Operation::UpdateConfig => named!("plugin.config_update"),
        Operation::Upgrade => named!("plugin.upgrade"),
        Operation::Rollback => named!("plugin.rollback"),
        Operation::Grant => named!("plugin.grant"),
        Operation::Revoke => named!("plugin.revoke"),
        Operation::Release => named!("plugin.release"),
        Operation::Uninstall => named!("plugin.uninstall"),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;
    use crate::lifecycle::NotFound;

    /// Keeps the names of spans, and what is recorded in them.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Kept {
        fn add(&self, line: String) {
            self.0.lock().unwrap().push(line);
        }
    }

    impl Visit for Kept {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.add(format!("{field}={value:?}"));
        }
    }

    impl Subscriber for Kept {
        fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            self.add(span.metadata().name().to_owned());
            span.record(&mut self.clone());
            Id::from_u64(1)
        }

        fn record(&self, _span: &Id, values: &Record<'_>) {
            values.record(&mut self.clone());
        }

        fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

        fn event(&self, _event: &Event<'_>) {}

        fn enter(&self, _span: &Id) {}

        fn exit(&self, _span: &Id) {}
    }

    #[test]
    fn a_span_names_operation_plugin_version_and_how_it_ended() {
        let kept = Kept::default();
        tracing::subscriber::with_default(kept.clone(), || {
            pollster::block_on(async {
                let span = of_operation(Operation::UpdateConfig, "a.b", "1.0.0", "7-1");
                within(span, async { Ok::<_, NotFound>(()) }).await.unwrap();
                let failed = NotFound {
                    name: "x".to_owned(),
                    suggestion: None,
                };
                let failed = async { Err::<(), _>(failed) };
                within(of_call("a.b", "1.0.0", "go"), failed).await.unwrap_err();
            });
        });
        let kept = kept.0.lock().unwrap().join(" ");
        let config = r#"plugin.config_update plugin="a.b" version="1.0.0" operation_id="7-1" outcome="ok""#;
        let call = r#"plugin.call plugin="a.b" version="1.0.0" command="go" outcome="NOT_FOUND""#;
        assert_eq!(kept, format!("{config} {call}"));
    }
}
