//! Between *load* and the first instance: compiled and linked code that has not run.

use std::sync::Arc;

use super::load::Loaded;
use super::load_error::LoadError;
use super::plugin::Plugin;

/// Compiled and linked code of a plugin, of which nothing has run.
pub(crate) struct Prepared(Loaded);

impl Prepared {
    pub(super) fn new(loaded: Loaded) -> Self {
        Self(loaded)
    }

    /// Starts the first instance. `generation` is what receipts say.
    pub(crate) async fn start(self, generation: u64) -> Result<Plugin, LoadError> {
        let loaded = Loaded { generation, ..self.0 };
        Plugin::start(Arc::new(loaded)).await
    }

    /// The plugin without an instance; its first call starts one.
    pub(super) fn unstarted(self) -> Plugin {
        Plugin::unstarted(Arc::new(self.0))
    }
}
