//! Typed JSON in and out, a configuration, a refusal.

use palisade_sdk::{Host, Reject, data, plugin};

/// Greets people.
pub struct Greeter {
    word: String,
}

/// What an operator may set.
#[data]
struct Config {
    #[serde(default = "hello")]
    greeting: String,
}

/// What `greet` takes.
#[data]
pub struct GreetInput {
    /// Whom to greet.
    pub name: String,
}

/// What `greet` answers.
#[data]
#[derive(Debug, PartialEq)]
pub struct Greeting {
    /// The whole sentence.
    pub greeting: String,
}

#[plugin]
impl Greeter {
    /// Reads the greeting word once, not for every command.
    #[init]
    pub fn new(host: &Host) -> Result<Self, Reject> {
        let Config { greeting } = host.config()?;
        Ok(Self { word: greeting })
    }

    /// Greets someone by name.
    #[command(idempotent)]
    pub fn greet(&self, host: &Host, input: GreetInput) -> Result<Greeting, Reject> {
        let name = input.name.trim();
        if name.is_empty() {
            return Err(Reject::new("NAME_EMPTY", "whom shall I greet?"));
        }
        host.debug(format_args!("greeting {name}"));
        Ok(Greeting {
            greeting: format!("{}, {name}!", self.word),
        })
    }
}

fn hello() -> String {
    "Hello".into()
}

#[cfg(test)]
mod tests {
    use palisade_sdk::json;

    use super::*;

    fn greet(host: &Host, name: &str) -> Result<Greeting, Reject> {
        Greeter::new(host)?.greet(host, GreetInput { name: name.into() })
    }

    #[test]
    fn greets_by_name() {
        assert_eq!(greet(&Host::fake(), "Ada").unwrap().greeting, "Hello, Ada!");
        let host = Host::fake().with_config(json!({"greeting": "Moin"}));
        assert_eq!(greet(&host, " Ada ").unwrap().greeting, "Moin, Ada!");
    }

    #[test]
    fn asks_for_a_name() {
        assert_eq!(greet(&Host::fake(), " ").unwrap_err().code, "NAME_EMPTY");
    }
}
