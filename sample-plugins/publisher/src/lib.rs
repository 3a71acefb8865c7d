//! Events: tells whoever listens, or one plugin by its id.

use palisade_sdk::{Host, Reject, data, plugin};

/// The topic, which the manifest names.
const CREATED: &str = "orders.created";

/// Publishes.
#[derive(Default)]
pub struct Publisher;

/// An order.
#[data]
pub struct Order {
    /// What is ordered.
    pub item: String,
    /// How many.
    #[serde(default = "one")]
    pub quantity: u32,
}

/// What `publish` answers.
#[data]
#[derive(Debug, PartialEq)]
pub struct Published {
    /// Whether anybody receives it.
    pub received: bool,
}

/// What `tell` takes.
#[data]
pub struct Message {
    /// The id of a plugin.
    pub to: String,
    /// What it is told.
    pub order: Order,
}

#[plugin]
impl Publisher {
    /// Tells every plugin that subscribed to `orders.created` about an order.
    #[command]
    pub fn publish(&self, host: &Host, order: Order) -> Result<Published, Reject> {
        let received = host.publish(CREATED, &order)?;
        if !received {
            host.warn("nobody wants to know about orders");
        }
        Ok(Published { received })
    }

    /// Tells one plugin about an order.
    #[command]
    pub fn tell(&self, host: &Host, message: Message) -> Result<(), Reject> {
        Ok(host.send(&message.to, &message.order)?)
    }
}

fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use palisade_sdk::json;

    use super::*;

    fn tea() -> Order {
        Order {
            item: "tea".into(),
            quantity: 2,
        }
    }

    #[test]
    fn publishes_orders_and_says_whether_anybody_listens() {
        let host = Host::fake().with_permissions(["events:publish"]);
        assert_eq!(Publisher.publish(&host, tea()), Ok(Published { received: true }));
        assert_eq!(
            host.published(),
            [(CREATED.to_owned(), json!({"item": "tea", "quantity": 2}))]
        );
        let host = host.without_subscribers();
        assert_eq!(Publisher.publish(&host, tea()), Ok(Published { received: false }));
        assert_eq!(host.logged().len(), 1);
    }

    #[test]
    fn tells_one_plugin_when_it_may() {
        let to = "dev.palisade.subscriber".to_owned();
        let message = || Message {
            to: to.clone(),
            order: tea(),
        };
        let host = Host::fake().with_permissions(["message:send"]);
        assert_eq!(Publisher.tell(&host, message()), Ok(()));
        assert_eq!(host.sent()[0].0, to);
        let refused = Publisher.tell(&Host::fake(), message()).unwrap_err();
        assert_eq!(refused.code, "PERMISSION_DENIED");
    }
}
