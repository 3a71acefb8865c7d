//! A plugin with one command.

use palisade_sdk::{Host, Reject, data, plugin};

/// Greets people.
#[derive(Default)]
pub struct Greeter;

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
    /// Greets someone by name.
    #[command]
    pub fn greet(&mut self, host: &Host, input: GreetInput) -> Result<Greeting, Reject> {
        if input.name.is_empty() {
            return Err(Reject::new("NAME_EMPTY", "whom shall I greet?"));
        }
        host.debug(format_args!("greeting {}", input.name));
        Ok(Greeting {
            greeting: format!("Hello, {}!", input.name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greet(name: &str) -> Result<Greeting, Reject> {
        Greeter.greet(&Host::fake(), GreetInput { name: name.into() })
    }

    #[test]
    fn greets_by_name() {
        assert_eq!(greet("Ada").unwrap().greeting, "Hello, Ada!");
    }

    #[test]
    fn asks_for_a_name() {
        assert!(greet("").is_err());
    }
}
