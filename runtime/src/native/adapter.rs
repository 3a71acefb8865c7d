//! What the owner of every adapter may set and see: [`adapter!`].

/// The settings and the state of a service with the fields `life` and `resources`.
macro_rules! adapter {
    ($service:ident) => {
        impl $service {
            /// Counts what it takes with what others take.
            #[must_use]
            pub fn resources(mut self, resources: std::sync::Arc<$crate::native::ResourceTracker>) -> Self {
                self.resources = resources;
                self
            }

            /// Tries a start more than once.
            #[must_use]
            pub fn retries(mut self, retries: $crate::native::StartRetries) -> Self {
                self.life.retries = retries;
                self
            }

            /// Lets time pass between tries in another way than on a thread.
            #[must_use]
            pub fn pause(mut self, pause: std::sync::Arc<dyn $crate::native::Pause>) -> Self {
                self.life.pause = pause;
                self
            }

            /// Where it is in its life.
            #[must_use]
            pub fn state(&self) -> $crate::native::ServiceState {
                self.life.state()
            }

            /// Makes a stopped service ready to be started again.
            ///
            /// # Errors
            ///
            /// [`InvalidTransition`](crate::InvalidTransition) unless it is stopped.
            pub fn reset(&self) -> Result<(), $crate::native::InvalidTransition> {
                self.life.reset()
            }

            fn failed(&self, fault: $crate::native::ServiceFault) -> $crate::native::PluginLifecycleError {
                $crate::native::PluginLifecycleError::StartFailed {
                    service: self.life.service.to_string(),
                    fault,
                }
            }
        }
    };
}

pub(super) use adapter;
