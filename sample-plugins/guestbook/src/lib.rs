//! State across reloads: what guests wrote is there after a reload, an upgrade and a crash.

use palisade_sdk::{Host, Reject, data, plugin};

/// The most entries: the record has to stay below 1 MiB, whatever people write.
const MOST_ENTRIES: usize = 100;

/// The longest entry, in bytes.
const MOST_BYTES: usize = 1_000;

/// Keeps a guest book.
#[derive(Default)]
pub struct Guestbook;

/// What a guest wrote.
#[data]
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Who.
    pub name: String,
    /// What.
    pub text: String,
}

/// What `sign` answers.
#[data]
#[derive(Debug, PartialEq)]
pub struct Signed {
    /// A word for the guest.
    pub greeting: String,
    /// How many entries there are now.
    pub entries: usize,
}

/// The configuration.
#[data]
pub struct Config {
    /// What a guest is told.
    pub greeting: String,
}

#[plugin]
impl Guestbook {
    /// Writes an entry; the oldest makes room for it.
    #[command]
    pub fn sign(&self, host: &Host, entry: Entry) -> Result<Signed, Reject> {
        if entry.name.len() + entry.text.len() > MOST_BYTES {
            return Err(Reject::new(
                "TOO_LONG",
                format!("an entry has at most {MOST_BYTES} bytes"),
            ));
        }
        let mut entries = self.read(host)?;
        entries.push(entry);
        let surplus = entries.len().saturating_sub(MOST_ENTRIES);
        entries.drain(..surplus);
        host.state().set(&entries)?;
        let Config { greeting } = host.config()?;
        Ok(Signed {
            greeting,
            entries: entries.len(),
        })
    }

    /// Reads the entries, the oldest first.
    #[command(idempotent)]
    pub fn read(&self, host: &Host) -> Result<Vec<Entry>, Reject> {
        Ok(host.state().get()?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use palisade_sdk::json;

    use super::*;

    fn entry(text: &str) -> Entry {
        Entry {
            name: "Ada".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_oldest_entry_makes_room() {
        let host = Host::fake().with_config(json!({"greeting": "Hello"}));
        for number in 0..=MOST_ENTRIES {
            Guestbook.sign(&host, entry(&number.to_string())).unwrap();
        }
        let entries = Guestbook.read(&host).unwrap();
        assert_eq!((entries.len(), &*entries[0].text), (MOST_ENTRIES, "1"));
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let host = Host::fake();
        assert!(Guestbook.sign(&host, entry(&"x".repeat(MOST_BYTES))).is_err());
        assert!(Guestbook.read(&host).unwrap().is_empty());
    }
}
