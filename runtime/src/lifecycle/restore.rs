//! What becomes of a plugin's state record when a replacement comes to nothing, be it that the host dies on the way.
//!
//! The new generation may write the record before it is known whether it stays. So what the old one left is noted in the
//! registry first; the save that makes the new version the active one forgets it in the same transaction. What is still
//! noted when a host starts is put back by the first operation on the plugin, before anything else.

use super::disk::PluginRow;
use super::error::TransitionError;
use super::host::Host;
use super::managed::View;
use super::ongoing::Ongoing;
use crate::sandbox::Plugin;

impl Ongoing {
    /// Reads the state record of the generation that is to be replaced, and notes it when another one of `row` may
    /// overwrite it for good. The same code with the same powers starts from whatever it left, as after any crash.
    pub(super) async fn note_state(&self, old: &Plugin, row: &PluginRow) -> Result<Option<Vec<u8>>, TransitionError> {
        let storage = &self.host.runtime.services().storage;
        let state = storage.state(old.namespace()).await?;
        if *row != self.row() {
            let (id, noted) = (self.managed.id.clone(), state.clone());
            self.host
                .on_disk(move |disk| disk.note_restore(&id, noted.as_deref()))
                .await?;
            self.managed.update(|view| view.restore = Some(state.clone()));
        }
        Ok(state)
    }

    /// Puts a state record back.
    pub(super) async fn restore_state(&self, state: Option<Vec<u8>>) -> Result<(), TransitionError> {
        let (storage, namespace) = (&self.host.runtime.services().storage, self.row().namespace());
        match storage.state(&namespace).await {
            Ok(now) if now == state => {}
            Ok(_) | Err(_) => self.host.runtime.set_state(&namespace, state).await?,
        }
        if self.managed.view().restore.is_some() {
            let id = self.managed.id.clone();
            self.managed.update(|view| view.restore = None);
            // Forgotten with the next save otherwise; the record itself is in place.
            if let Err(unforgotten) = self.host.on_disk(move |disk| disk.forget_restore(&id)).await {
                self.warn(&unforgotten);
            }
        }
        Ok(())
    }

    /// Puts back what an interrupted replacement left to be put back.
    pub(super) async fn settle(&self) -> Result<(), TransitionError> {
        match &self.managed.view().restore {
            Some(state) => self.restore_state(state.clone()).await,
            None => Ok(()),
        }
    }
}

impl Host {
    /// The state record of a plugin, which is the one to put back where there is one.
    pub(super) async fn state_of(&self, view: &View) -> Result<Option<Vec<u8>>, TransitionError> {
        match &view.restore {
            Some(state) => Ok(state.clone()),
            None => Ok(self.runtime.services().storage.state(&view.row.namespace()).await?),
        }
    }
}
