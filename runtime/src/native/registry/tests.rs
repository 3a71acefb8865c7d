use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use pollster::block_on;
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

use super::*;
use crate::native::testing::{FakeService, Script, poll_once};

fn registry(services: &[(&str, Script)]) -> ServiceRegistry {
    let registry = ServiceRegistry::new(Arc::new(LogRing::new()));
    for (name, script) in services {
        registry.register(Arc::new(FakeService::new(name, *script))).unwrap();
    }
    registry
}

fn fine() -> Script {
    Script::default()
}

fn texts(registry: &ServiceRegistry, name: &str) -> Vec<String> {
    registry.logs(name).into_iter().map(|line| line.text).collect()
}

#[test]
fn a_second_service_by_a_name_is_refused_and_the_first_stays() {
    let registry = registry(&[("cache", fine())]);
    let second = Arc::new(FakeService::new("cache", Script { ill: true, ..fine() }));
    let error = registry.register(second).unwrap_err();
    assert!(
        matches!(&error, RegistryError::AlreadyRegistered { name } if name == "cache"),
        "{error}"
    );
    let handle = block_on(registry.start("cache")).unwrap();
    assert_eq!(block_on(registry.check(&handle)).unwrap(), HealthStatus::Healthy);
}

#[test]
fn a_name_that_nobody_has_is_not_found_and_the_nearest_is_suggested() {
    let registry = registry(&[("cache", fine())]);
    let error = block_on(registry.start("cahce")).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert_eq!(error.help(), ["did you mean `cache`?"]);
    assert!(registry.unregister("cahce").is_err());
}

#[test]
fn what_is_started_is_active_until_it_is_stopped_and_all_of_it_is_logged() {
    let registry = registry(&[("cache", fine()), ("queue", fine())]);
    let cache = block_on(registry.start("cache")).unwrap();
    let queue = block_on(registry.start("queue")).unwrap();
    let active: BTreeSet<_> = registry.active().into_iter().map(|handle| handle.id).collect();
    assert_eq!(active, [cache.id, queue.id].into());
    block_on(registry.stop(&cache)).unwrap();
    assert_eq!(registry.active(), [queue]);
    let id = cache.id;
    assert_eq!(
        texts(&registry, "cache"),
        [format!("started as {id}"), format!("stopped {id}")]
    );
    let again = block_on(registry.stop(&cache)).unwrap_err();
    assert!(
        matches!(again, RegistryError::UnknownHandle { id: unknown } if unknown == id),
        "{again}"
    );
}

#[test]
fn a_failed_start_is_logged_and_not_active() {
    let registry = registry(&[(
        "cache",
        Script {
            failing_starts: 1,
            ..fine()
        },
    )]);
    let error = block_on(registry.start("cache")).unwrap_err();
    assert!(registry.active().is_empty());
    assert_eq!(texts(&registry, "cache"), [error.to_string()]);
}

#[test]
fn a_stop_that_fails_is_logged_and_leaves_nothing_active() {
    let registry = registry(&[(
        "cache",
        Script {
            fails_to_stop: true,
            ..fine()
        },
    )]);
    let handle = block_on(registry.start("cache")).unwrap();
    let error = block_on(registry.stop(&handle)).unwrap_err();
    assert!(
        matches!(&error, RegistryError::Service(PluginLifecycleError::StopFailed { .. })),
        "{error}"
    );
    assert!(registry.active().is_empty());
    assert_eq!(texts(&registry, "cache").last(), Some(&error.to_string()));
}

#[test]
fn all_are_checked_and_one_that_was_not_started_is_unknown() {
    let ill = Script { ill: true, ..fine() };
    let registry = registry(&[("cache", fine()), ("ill", ill), ("queue", fine())]);
    block_on(registry.start("cache")).unwrap();
    block_on(registry.start("ill")).unwrap();
    let checked = block_on(registry.check_all());
    let statuses: Vec<_> = checked
        .into_iter()
        .map(|(name, status)| (name, status.unwrap()))
        .collect();
    let status = |name: &str, status| (name.to_owned(), status);
    assert_eq!(
        statuses,
        [
            status("cache", HealthStatus::Healthy),
            status("ill", HealthStatus::Unhealthy),
            status("queue", HealthStatus::Unknown)
        ]
    );
    assert!(texts(&registry, "ill").last().unwrap().ends_with("is Unhealthy"));
}

#[test]
fn a_check_that_hangs_does_not_keep_the_others_from_being_asked() {
    let mut asked = Vec::new();
    let order = Mutex::new(&mut asked);
    let futures: Vec<_> = [true, false]
        .map(|hangs| {
            let order = &order;
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                order.lock().unwrap().push(hangs);
            }
        })
        .into();
    assert!(poll_once(&mut Box::pin(all(futures))).is_pending());
    assert_eq!(asked, [false]);
}

#[test]
fn of_many_starts_and_stops_at_once_each_succeeds_once() {
    const THREADS: usize = 8;
    let registry = registry(&[("cache", fine())]);
    let begin = Barrier::new(THREADS);
    let count = |work: &(dyn Fn() -> bool + Sync)| {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        begin.wait();
                        work()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .filter(|done| *done)
                .count()
        })
    };
    assert_eq!(count(&|| block_on(registry.start("cache")).is_ok()), 1);
    let handle = registry.active().pop().unwrap();
    assert_eq!(count(&|| block_on(registry.stop(&handle)).is_ok()), 1);
    assert!(registry.active().is_empty());
}

#[test]
fn an_unregistered_service_runs_on_and_can_be_stopped() {
    let registry = registry(&[("cache", fine())]);
    let handle = block_on(registry.start("cache")).unwrap();
    registry.unregister("cache").unwrap();
    registry.register(Arc::new(FakeService::new("cache", fine()))).unwrap();
    block_on(registry.stop(&handle)).unwrap();
}

/// Remembers names and fields of spans.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("palisade")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(span.metadata().name().to_owned());
        span.record(&mut fields);
        let mut spans = self.0.lock().unwrap();
        spans.push(fields.0);
        Id::from_u64(spans.len().try_into().unwrap())
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, _event: &tracing::Event<'_>) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[test]
fn each_operation_is_a_span_with_the_name_of_the_service() {
    let spans = Spans::default();
    tracing::subscriber::with_default(spans.clone(), || {
        let registry = registry(&[("cache", fine())]);
        let handle = block_on(registry.start("cache")).unwrap();
        block_on(registry.check_all());
        block_on(registry.stop(&handle)).unwrap();
    });
    let names = ["plugin_start", "plugin_health_check", "plugin_stop"];
    assert_eq!(
        *spans.0.lock().unwrap(),
        names.map(|name| format!("{name} plugin=\"cache\""))
    );
}
