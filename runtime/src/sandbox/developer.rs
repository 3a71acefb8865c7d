//! For author tooling: asks a module that was just built what its commands are, before anybody vouched for it.
//!
//! The module runs as any plugin does, with the default limits and no powers at all.

use std::sync::Arc;

use palisade_abi::export;
use palisade_bundle::{Blame, Code, Coded};
use serde_json::{Map, Value};
use thiserror::Error;

use super::engine::Runtime;
use super::entry::{Entry, fill, later, take_reply};
use super::host::Host;
use super::load::CompiledModule;
use super::load_error::LoadError;
use super::memory::GuestMemory;
use super::meter::Slices;
use super::powers::Powers;
use super::tape::Tape;
use super::trap::{Budget, Stopped};
use crate::limits::Limits;

impl Runtime {
    /// Runs the export `palisade_describe` of a module and returns its JSON.
    ///
    /// # Errors
    ///
    /// [`DescribeError`] says whether the module is no plugin, does not describe itself, or was stopped.
    pub async fn describe(&self, wasm: Vec<u8>) -> Result<Vec<u8>, DescribeError> {
        let limits = Limits::DEFAULT;
        let module = self.compile(wasm, &limits).await?;
        let shared = self.shared();
        let slices = Slices::default();
        let timers = module
            .can_wait
            .then(|| shared.timers())
            .transpose()
            .map_err(LoadError::from)?;
        let nobody = Arc::new(Powers::none("describe", &shared.services, Arc::clone(&shared.memory)));
        let mut store = Host::store(&shared.engine, &nobody, &slices, Tape::default());
        let budget = Budget {
            fuel: limits.lifecycle_fuel,
            time: limits.initialization_time,
        };
        fill(&mut store, budget.fuel);
        let entry = Entry {
            clock: &*shared.services.clock,
            timers: timers.as_ref(),
            slices: &slices,
            deadline: later(shared.services.clock.now(), budget.time),
            budget,
        };
        let described = self.ask(&module, &mut store, &entry).await;
        store.data().log.end_command();
        described
    }

    async fn ask(
        &self,
        module: &CompiledModule,
        store: &mut super::host::PluginStore,
        entry: &Entry<'_>,
    ) -> Result<Vec<u8>, DescribeError> {
        let pre = self
            .shared()
            .linker
            .instantiate_pre(&module.code)
            .map_err(LoadError::compile)?;
        let instance = entry.run(pre.instantiate_async(&mut *store)).await?;
        let instance = instance.map_err(|error| entry.stopped(error, store))?;
        let memory = instance.get_memory(&mut *store, export::MEMORY).map(GuestMemory::new);
        store.data_mut().memory = memory;
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut *store, export::INITIALIZE) {
            entry.call(store, &initialize, ()).await?;
        }
        let describe = instance.get_typed_func::<(), i64>(&mut *store, export::PALISADE_DESCRIBE);
        let (Ok(describe), Some(memory)) = (describe, memory) else {
            return Err(DescribeError::NoDescription);
        };
        let packed = entry.call(store, &describe, ()).await?;
        let limit = Limits::DEFAULT.output_bytes;
        Ok(take_reply(store, memory, export::PALISADE_DESCRIBE, packed, limit)?.bytes)
    }
}

/// A module did not say what its commands are.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DescribeError {
    /// It is no plugin.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It was stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// It has no export `palisade_describe`.
    #[error("the module does not describe its commands")]
    NoDescription,
}

impl Coded for DescribeError {
    fn code(&self) -> Code {
        match self {
            Self::Load(error) => error.code(),
            Self::Stopped(stopped) => stopped.code(),
            Self::NoDescription => Code::AbiViolation,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Load(error) => error.blame(),
            Self::Stopped(stopped) => stopped.blame(),
            Self::NoDescription => Blame::Bundle,
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::Load(error) => error.details(),
            Self::Stopped(stopped) => stopped.details(),
            Self::NoDescription => Map::new(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Load(error) => error.help(),
            Self::Stopped(stopped) => stopped.help(),
            Self::NoDescription => vec!["build it with the feature `palisade-sdk/describe`".to_owned()],
        }
    }
}
