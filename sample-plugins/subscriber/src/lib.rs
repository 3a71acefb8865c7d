//! Events: what other plugins publish or send arrives between two commands.

use std::collections::VecDeque;

use palisade_sdk::serde_json::Value;
use palisade_sdk::{Delivery, Host, Reject, data, plugin};

/// How many deliveries are listed. A bound, because others decide how many come.
const KEPT: usize = 100;

/// Listens.
#[derive(Default)]
pub struct Subscriber {
    count: u64,
    last: VecDeque<Received>,
}

/// Something that came.
#[data]
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The topic; none for what was sent to this plugin alone.
    pub topic: Option<String>,
    /// The plugin it came from.
    pub from: String,
    /// What it said.
    pub data: Value,
}

/// What `count` answers.
#[data]
#[derive(Debug, PartialEq)]
pub struct Count {
    /// How much came so far.
    pub count: u64,
}

#[plugin]
impl Subscriber {
    /// Keeps what comes; an order of nothing is refused, which the host logs.
    #[on_event]
    pub fn on_event(&mut self, host: &Host, event: Delivery) -> Result<(), Reject> {
        if event.data.get("quantity") == Some(&Value::from(0)) {
            return Err(Reject::new(
                "NOTHING_ORDERED",
                format!("{} ordered nothing", event.from),
            ));
        }
        host.debug(format_args!("heard from {}", event.from));
        self.count += 1;
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(Received {
            topic: event.topic,
            from: event.from,
            data: event.data,
        });
        Ok(())
    }

    /// Tells how much came so far.
    #[command(idempotent)]
    pub fn count(&self) -> Count {
        Count { count: self.count }
    }

    /// Lists what came last, oldest first, at most a hundred.
    #[command(idempotent)]
    pub fn list(&self) -> Vec<Received> {
        self.last.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use palisade_sdk::json;

    use super::*;

    const FROM: &str = "dev.palisade.publisher";

    #[test]
    fn counts_and_lists_what_comes_by_either_door() {
        let (host, mut subscriber) = (Host::fake(), Subscriber::default());
        let order = json!({"item": "tea", "quantity": 2});
        let published = Delivery::published("orders.created", FROM, order.clone());
        subscriber.on_event(&host, published).unwrap();
        subscriber
            .on_event(&host, Delivery::sent(FROM, json!("hello")))
            .unwrap();
        assert_eq!(subscriber.count(), Count { count: 2 });
        let topics: Vec<_> = subscriber.list().into_iter().map(|received| received.topic).collect();
        assert_eq!(topics, [Some("orders.created".to_owned()), None]);
        assert_eq!(subscriber.list()[0].data, order);
    }

    #[test]
    fn an_order_of_nothing_counts_for_nothing() {
        let mut subscriber = Subscriber::default();
        let event = Delivery::published("orders.created", FROM, json!({"item": "tea", "quantity": 0}));
        assert_eq!(
            subscriber.on_event(&Host::fake(), event).unwrap_err().code,
            "NOTHING_ORDERED"
        );
        assert_eq!(subscriber.count(), Count { count: 0 });
    }

    #[test]
    fn keeps_the_last_hundred() {
        let (host, mut subscriber) = (Host::fake(), Subscriber::default());
        for number in 0..101 {
            subscriber.on_event(&host, Delivery::sent(FROM, json!(number))).unwrap();
        }
        let list = subscriber.list();
        assert_eq!(
            (subscriber.count().count, list.len(), &list[0].data),
            (101, 100, &json!(1))
        );
    }
}
