//! A plugin as a service: [`WasmService`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use palisade_abi::Level;

use super::ServicePlugin;
use super::adapter::adapter;
use super::error::{PluginLifecycleError, ServiceFault};
use super::handle::{HealthStatus, ServiceHandle};
use super::life::{Life, Start, Started};
use super::resources::ResourceTracker;
use super::taken::{Release, Taken};
use crate::policy::AdmittedBundle;
use crate::sandbox::{CallError, Plugin, Runtime};
use crate::services::ServiceFuture;

/// A plugin as a service: loaded and found well by a start, closed by a stop.
///
/// The service has the plugin's id as its name. The metadata of a handle are `plugin_id`, `version`, `instance_id`,
/// which is the handle's own id, and `container_id`, which is the same.
///
/// Each start takes a resource of kind `instance`.
pub struct WasmService {
    runtime: Runtime,
    bundle: AdmittedBundle,
    resources: Arc<ResourceTracker>,
    life: Life<Plugin>,
}

adapter!(WasmService);

impl WasmService {
    /// A service that is not started yet; the log is that of the runtime's services.
    #[must_use]
    pub fn new(runtime: &Runtime, bundle: AdmittedBundle) -> Self {
        let id = bundle.bundle().manifest().id.to_string();
        Self {
            life: Life::new(id.into(), Arc::clone(&runtime.services().log)),
            runtime: runtime.clone(),
            bundle,
            resources: Arc::new(ResourceTracker::new()),
        }
    }

    /// The plugin, to be called, while the service runs.
    #[must_use]
    pub fn plugin(&self) -> Option<Plugin> {
        self.life.running()
    }

    fn handle(&self) -> Result<ServiceHandle, ServiceFault> {
        let mut handle = ServiceHandle::new(&*self.life.service, BTreeMap::new())?;
        let (instance, manifest) = (handle.id.to_string(), self.bundle.bundle().manifest());
        handle.metadata = BTreeMap::from([
            ("plugin_id".to_owned(), manifest.id.to_string()),
            ("version".to_owned(), manifest.version.to_string()),
            ("container_id".to_owned(), instance.clone()),
            ("instance_id".to_owned(), instance),
        ]);
        Ok(handle)
    }
}

impl Start for WasmService {
    type Watch = Plugin;

    fn attempt<'a>(&'a self, taken: &'a mut Taken) -> ServiceFuture<'a, Result<Started<Plugin>, PluginLifecycleError>> {
        Box::pin(async move {
            taken.push(self.resources.allocate("instance")?);
            let loaded = self.runtime.load(self.bundle.clone()).await;
            let plugin = loaded.map_err(|error| self.failed(ServiceFault::refused(error)))?;
            taken.push(plugin.clone());
            let well = plugin.health().await;
            well.map_err(|error| self.failed(ServiceFault::refused(error)))?;
            let handle = self.handle().map_err(|fault| self.failed(fault))?;
            Ok((handle, plugin))
        })
    }
}

impl Release for Plugin {
    fn release(self: Box<Self>) -> ServiceFuture<'static, Result<(), ServiceFault>> {
        Box::pin(async move { self.close().await.map_err(ServiceFault::refused) })
    }
}

impl ServicePlugin for WasmService {
    fn name(&self) -> &str {
        &self.life.service
    }

    fn start(&self) -> ServiceFuture<'_, Result<ServiceHandle, PluginLifecycleError>> {
        Box::pin(self.life.start(self))
    }

    fn stop(&self, handle: ServiceHandle) -> ServiceFuture<'_, Result<(), PluginLifecycleError>> {
        Box::pin(async move { self.life.stop(&handle).await })
    }

    fn health_check<'a>(
        &'a self,
        handle: &'a ServiceHandle,
    ) -> ServiceFuture<'a, Result<HealthStatus, PluginLifecycleError>> {
        Box::pin(async move {
            match self.life.watch(handle)?.health().await {
                Ok(()) => Ok(HealthStatus::Healthy),
                // Somebody closed it who got it from `plugin`, or is stopping it right now.
                Err(error @ CallError::Closed) => Err(PluginLifecycleError::HealthCheckFailed {
                    service: self.life.service.to_string(),
                    fault: ServiceFault::refused(error),
                }),
                Err(error) => {
                    self.life.note(Level::Warn, &format!("unhealthy: {error}"));
                    Ok(HealthStatus::Unhealthy)
                }
            }
        })
    }
}

impl fmt::Debug for WasmService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmService")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::SystemTime;

    use palisade_bundle::{Bundle, Code, Coded, SignOptions, SigningKey, Timestamp, TrustStore, pack, sign};
    use pollster::block_on;

    use super::*;
    use crate::native::testing::NoPause;
    use crate::native::{Pause, ServiceState, StartRetries};
    use crate::policy::Policy;

    /// `pack(0, 3, is_error: true)` over the three bytes at address 0.
    const SICK: &str = r#"(func (export "plugin_health") (result i64) i64.const 0x80000003)"#;
    const WELL: &str = r#"(func (export "plugin_health") (result i64) i64.const 0)"#;
    const TRAPS: &str = r#"(func (export "plugin_health") (result i64) unreachable)"#;
    const ENDLESS: &str = r#"(func (export "plugin_health") (result i64) (loop (br 0)) i64.const 0)"#;
    const NONE: &str = "";
    /// Well when it is asked for the first time.
    const FADES: &str = r#"(global $asked (mut i64) (i64.const 0))
        (func (export "plugin_health") (result i64)
            global.get $asked
            i64.const 0x80000003
            global.set $asked)"#;

    const CLEAN: &str = "i64.const 0";

    fn service(health: &str, cleanup: &str) -> WasmService {
        let wasm = wat::parse_str(format!(
            r#"(module
                (memory (export "memory") 1)
                (data (i32.const 0) "bad")
                (func (export "palisade_abi_v1"))
                (func (export "plugin_buffer") (param i32) (result i32) i32.const 1024)
                (func (export "plugin_init") (param i32 i32) (result i64) i64.const 0)
                (func (export "plugin_command") (param i32 i32 i32 i32) (result i64) i64.const 0)
                (func (export "plugin_cleanup") (result i64) {cleanup})
                {health})"#
        ));
        let manifest = br#"{"id": "com.acme.cache", "name": "Cache", "version": "1.2.3", "author": "Acme"}"#;
        let files = vec![
            ("plugin.json".to_owned(), manifest.to_vec()),
            ("plugin.wasm".to_owned(), wasm.unwrap()),
        ];
        let key = SigningKey::from_seed(&[7; 32]);
        let created = Timestamp::from_unix_seconds(1_700_000_000).unwrap();
        let options = SignOptions {
            created,
            not_after: None,
            sequence: 1,
            append: false,
        };
        let bytes = sign(&Bundle::open(pack(files).unwrap()).unwrap(), &key, &options).unwrap();
        let trust = TrustStore::new([key.public()]);
        let verified = trust.verify(Bundle::open(bytes).unwrap(), SystemTime::now()).unwrap();
        let bundle = Policy::deny_all().admit(verified).unwrap();
        WasmService::new(&Runtime::new().unwrap(), bundle)
    }

    #[test]
    fn a_plugin_starts_answers_and_stops_and_starts_again_after_a_reset() {
        let service = service(WELL, CLEAN);
        assert!(service.plugin().is_none());
        let handle = block_on(service.start()).unwrap();
        assert_eq!(handle.service_name, "com.acme.cache");
        assert_eq!(handle.metadata["plugin_id"], "com.acme.cache");
        assert_eq!(handle.metadata["version"], "1.2.3");
        assert_eq!(handle.metadata["instance_id"], handle.id.to_string());
        assert_eq!(handle.metadata["container_id"], handle.metadata["instance_id"]);
        let plugin = service.plugin().unwrap();
        block_on(plugin.call("anything", b"null")).unwrap();
        assert_eq!(block_on(service.health_check(&handle)).unwrap(), HealthStatus::Healthy);
        block_on(service.stop(handle.clone())).unwrap();
        assert!(service.plugin().is_none());
        assert!(matches!(
            block_on(plugin.call("anything", b"null")),
            Err(CallError::Closed)
        ));
        service.reset().unwrap();
        let again = block_on(service.start()).unwrap();
        assert_ne!(again.metadata["instance_id"], handle.metadata["instance_id"]);
        block_on(service.stop(again)).unwrap();
    }

    #[test]
    fn a_plugin_that_says_nothing_of_its_health_is_entered_instead() {
        let service = service(NONE, CLEAN);
        let handle = block_on(service.start()).unwrap();
        assert_eq!(block_on(service.health_check(&handle)).unwrap(), HealthStatus::Healthy);
    }

    #[test]
    fn a_plugin_that_turns_ill_is_unhealthy_and_still_stops_in_order() {
        let service = service(FADES, CLEAN);
        let handle = block_on(service.start()).unwrap();
        assert_eq!(
            block_on(service.health_check(&handle)).unwrap(),
            HealthStatus::Unhealthy
        );
        block_on(service.stop(handle)).unwrap();
    }

    #[test]
    fn a_plugin_that_is_not_well_does_not_start_and_is_closed_again() {
        for (health, code) in [
            (SICK, Code::GuestError),
            (TRAPS, Code::GuestTrap),
            (ENDLESS, Code::FuelExhausted),
        ] {
            let resources = Arc::new(ResourceTracker::new());
            let service = service(health, CLEAN).resources(Arc::clone(&resources));
            let error = block_on(service.start()).unwrap_err();
            assert!(matches!(&error, PluginLifecycleError::StartFailed { .. }), "{error}");
            assert_eq!(error.code(), code);
            assert_eq!(service.state(), ServiceState::Failed);
            assert_eq!(resources.in_use("instance"), 0);
        }
    }

    #[test]
    fn a_plugin_whose_cleanup_traps_did_not_stop_in_order() {
        let service = service(WELL, "unreachable");
        let handle = block_on(service.start()).unwrap();
        let error = block_on(service.stop(handle)).unwrap_err();
        assert!(matches!(&error, PluginLifecycleError::StopFailed { .. }), "{error}");
        assert_eq!(error.code(), Code::GuestTrap);
        assert_eq!(service.state(), ServiceState::Failed);
    }

    #[test]
    fn what_cannot_change_is_not_tried_again_and_what_can_is() {
        let breaks_the_abi = r#"(func (export "plugin_health") (result i64) i64.const 0x7fffffff)"#;
        for (health, pauses) in [(SICK, vec![1, 2]), (breaks_the_abi, vec![])] {
            let pause = Arc::new(NoPause::default());
            let service = service(health, CLEAN)
                .retries(StartRetries::tries(NonZeroU32::new(3).unwrap()))
                .pause(Arc::clone(&pause) as Arc<dyn Pause>);
            block_on(service.start()).unwrap_err();
            assert_eq!(pause.seconds(), pauses);
        }
    }

    #[test]
    fn a_plugin_that_somebody_else_closed_is_an_error_of_the_check() {
        let service = service(WELL, CLEAN);
        let handle = block_on(service.start()).unwrap();
        block_on(service.plugin().unwrap().close()).unwrap();
        let error = block_on(service.health_check(&handle)).unwrap_err();
        assert_eq!(error.code(), Code::PluginUnavailable);
    }
}
