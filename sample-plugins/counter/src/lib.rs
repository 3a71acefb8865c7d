//! State in memory, from one command to the next.

use palisade_sdk::{Reject, data, plugin};

/// Counts.
#[derive(Default)]
pub struct Counter {
    value: i64,
}

/// What `add` takes.
#[data]
pub struct Addition {
    /// How much to add; less than nothing subtracts.
    #[serde(default = "one")]
    pub amount: i64,
}

/// What every command answers.
#[data]
#[derive(Debug, PartialEq)]
pub struct Count {
    /// The count so far.
    pub value: i64,
}

#[plugin]
impl Counter {
    /// Adds an amount, 1 when none is given.
    #[command]
    pub fn add(&mut self, input: Addition) -> Result<Count, Reject> {
        let value = self.value.checked_add(input.amount);
        self.value = value.ok_or_else(|| {
            Reject::new("OVERFLOW", "the count does not go that far").with_detail("value", self.value)
        })?;
        Ok(self.value())
    }

    /// Tells the count so far.
    #[command(idempotent)]
    pub fn value(&self) -> Count {
        Count { value: self.value }
    }

    /// Starts again at 0.
    #[command(idempotent)]
    pub fn reset(&mut self) -> Count {
        self.value = 0;
        self.value()
    }
}

fn one() -> i64 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_its_count_until_it_is_reset() {
        let mut counter = Counter::default();
        counter.add(Addition { amount: 5 }).unwrap();
        assert_eq!(counter.add(Addition { amount: -2 }), Ok(Count { value: 3 }));
        assert_eq!(
            (counter.value(), counter.reset(), counter.value().value),
            (Count { value: 3 }, Count { value: 0 }, 0)
        );
    }

    #[test]
    fn refuses_to_wrap_around_and_keeps_its_count() {
        let mut counter = Counter { value: i64::MAX };
        assert_eq!(counter.add(Addition { amount: 1 }).unwrap_err().code, "OVERFLOW");
        assert_eq!(counter.value().value, i64::MAX);
    }
}
