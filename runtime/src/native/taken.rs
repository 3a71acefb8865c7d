//! What a start has taken, so that it can be given back: newest first, whatever fails in between.

use std::sync::Arc;

use palisade_abi::Level;

use super::error::ServiceFault;
use crate::services::{LogRecord, LogSink, LogSource, ServiceFuture};

/// Something that is given back with care. Dropping it gives it back at once, with nobody to hear how that went.
pub(super) trait Release: Send + Sync {
    /// Gives it back, and says whether that went well; it is gone in any case.
    fn release(self: Box<Self>) -> ServiceFuture<'static, Result<(), ServiceFault>>;
}

/// Everything one start has taken so far, oldest first.
pub(super) struct Taken {
    service: Arc<str>,
    log: Arc<dyn LogSink>,
    things: Vec<Box<dyn Release>>,
}

impl Taken {
    pub(super) fn nothing(service: &Arc<str>, log: &Arc<dyn LogSink>) -> Self {
        Self {
            service: Arc::clone(service),
            log: Arc::clone(log),
            things: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, thing: impl Release + 'static) {
        self.things.push(Box::new(thing));
    }

    /// Gives everything back, newest first. Every failure is logged, and the first is what the caller hears of.
    pub(super) async fn give_back(mut self) -> Result<(), ServiceFault> {
        let mut first = Ok(());
        while let Some(thing) = self.things.pop() {
            let released = thing.release().await;
            if let Err(fault) = &released {
                self.log.write(&LogRecord {
                    plugin_id: &self.service,
                    version: None,
                    level: Level::Warn,
                    source: LogSource::Host,
                    text: &format!("a release failed: {fault}"),
                });
            }
            first = first.and(released);
        }
        first
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // A vector drops its oldest first.
        while self.things.pop().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::services::MemoryLog;

    type Order = Arc<Mutex<Vec<u16>>>;

    struct Thing {
        number: u16,
        fails: bool,
        order: Order,
    }

    impl Release for Thing {
        fn release(self: Box<Self>) -> ServiceFuture<'static, Result<(), ServiceFault>> {
            let result = match self.fails {
                true => Err(ServiceFault::PortTaken { port: self.number }),
                false => Ok(()),
            };
            Box::pin(std::future::ready(result))
        }
    }

    impl Drop for Thing {
        fn drop(&mut self) {
            self.order.lock().unwrap().push(self.number);
        }
    }

    fn taken(fails: [bool; 4]) -> (Taken, Order, Arc<MemoryLog>) {
        let (order, log) = (Order::default(), Arc::new(MemoryLog::new()));
        let mut taken = Taken::nothing(&"test".into(), &(Arc::clone(&log) as Arc<dyn LogSink>));
        for (number, fails) in (1..).zip(fails) {
            taken.push(Thing {
                number,
                fails,
                order: Arc::clone(&order),
            });
        }
        (taken, order, log)
    }

    #[test]
    fn everything_is_given_back_newest_first_and_the_first_failure_is_kept_and_all_are_logged() {
        let (taken, order, log) = taken([false, true, false, true]);
        let first = pollster::block_on(taken.give_back()).unwrap_err();
        assert_eq!(first.to_string(), "port 4 is taken");
        assert_eq!(*order.lock().unwrap(), [4, 3, 2, 1]);
        let lines: Vec<_> = log.take().into_iter().map(|line| (line.plugin_id, line.text)).collect();
        let line = |text: &str| ("test".to_owned(), text.to_owned());
        assert_eq!(
            lines,
            [
                line("a release failed: port 4 is taken"),
                line("a release failed: port 2 is taken")
            ]
        );
    }

    #[test]
    fn what_is_abandoned_is_given_back_newest_first_too() {
        let (taken, order, log) = taken([false; 4]);
        drop(taken);
        assert_eq!(*order.lock().unwrap(), [4, 3, 2, 1]);
        assert!(log.take().is_empty());
    }
}
