//! Storage: what is kept outlives the instance, and the host too.

use std::time::Duration;

use palisade_sdk::{Host, Reject, data, plugin};

/// Keeps notes.
#[derive(Default)]
pub struct Notes;

/// What `add` takes.
#[data]
pub struct NewNote {
    /// The note.
    pub text: String,
    /// After how many seconds it is gone; never, when nothing is said.
    pub keep_s: Option<u64>,
}

/// Which note.
#[data]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoteId {
    /// The number that `add` answered with.
    pub id: u64,
}

impl NoteId {
    /// Digits are padded so that the order of keys is the order of numbers.
    fn key(self) -> String {
        format!("note/{:020}", self.id)
    }
}

#[plugin]
impl Notes {
    /// Keeps a note and answers with its number.
    #[command]
    pub fn add(&self, host: &Host, note: NewNote) -> Result<NoteId, Reject> {
        let storage = host.storage();
        let mut note_id = NoteId {
            id: storage.get_json("last")?.unwrap_or(0),
        };
        loop {
            note_id.id += 1;
            let (key, text) = (note_id.key(), note.text.as_bytes());
            // Another instance may be after the same number: only one of them gets it.
            let is_ours = match note.keep_s.map(Duration::from_secs) {
                Some(time) => storage.compare_and_swap_for(&key, None, text, time)?,
                None => storage.compare_and_swap(&key, None, text)?,
            };
            if is_ours {
                storage.put_json("last", &note_id.id)?;
                return Ok(note_id);
            }
        }
    }

    /// Lists the numbers of all notes.
    #[command(idempotent)]
    pub fn list(&self, host: &Host) -> Result<Vec<u64>, Reject> {
        let keys = host.storage().list("note/");
        keys.map(|key| Ok(key?.trim_start_matches("note/").parse()?)).collect()
    }

    /// Reads a note.
    #[command(idempotent)]
    pub fn read(&self, host: &Host, note: NoteId) -> Result<String, Reject> {
        let text = host.storage().get(&note.key())?;
        let text = text.ok_or_else(|| Reject::new("NO_SUCH_NOTE", format!("there is no note {}", note.id)))?;
        Ok(String::from_utf8(text)?)
    }

    /// Deletes a note; answers whether there was one.
    #[command(idempotent)]
    pub fn delete(&self, host: &Host, note: NoteId) -> Result<bool, Reject> {
        Ok(host.storage().delete(&note.key())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host::fake().with_permissions(["storage:read", "storage:write", "storage:delete"])
    }

    fn add(host: &Host, text: &str, keep_s: Option<u64>) -> NoteId {
        let text = text.to_owned();
        Notes.add(host, NewNote { text, keep_s }).unwrap()
    }

    #[test]
    fn keeps_lists_reads_and_deletes_notes() {
        let host = host();
        let (milk, tea) = (add(&host, "milk", None), add(&host, "tea", None));
        assert_eq!(Notes.list(&host), Ok(vec![milk.id, tea.id]));
        assert_eq!(Notes.read(&host, tea).as_deref(), Ok("tea"));
        assert_eq!(
            (Notes.delete(&host, tea), Notes.delete(&host, tea)),
            (Ok(true), Ok(false))
        );
        assert_eq!(Notes.read(&host, tea).unwrap_err().code, "NO_SUCH_NOTE");
        assert_eq!(add(&host, "bread", None).id, 3);
    }

    #[test]
    fn forgets_a_note_when_its_time_is_over() {
        let host = host();
        let note = add(&host, "milk", Some(60));
        host.advance(Duration::from_secs(59));
        assert_eq!(Notes.read(&host, note).as_deref(), Ok("milk"));
        host.advance(Duration::from_secs(1));
        assert_eq!(Notes.list(&host), Ok(vec![]));
    }

    #[test]
    fn takes_no_number_that_another_instance_has_taken() {
        let host = host().with_stored(&NoteId { id: 1 }.key(), "theirs");
        assert_eq!(add(&host, "mine", None).id, 2);
        assert_eq!(Notes.read(&host, NoteId { id: 1 }).as_deref(), Ok("theirs"));
    }

    #[test]
    fn says_what_the_host_refuses() {
        let host = host().with_storage_quota(40, 9);
        let text = "a long note".repeat(9);
        assert_eq!(
            Notes.add(&host, NewNote { text, keep_s: None }).unwrap_err().code,
            "STORAGE_QUOTA_EXCEEDED"
        );
        assert_eq!(Notes.list(&Host::fake()).unwrap_err().code, "PERMISSION_DENIED");
    }
}
