//! From host names to addresses that were checked. Exactly those are dialled: a name is looked up once for each
//! connection, and nothing between here and the socket asks again.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::address::is_globally_reachable;

/// Lookups in flight on the whole host. Each takes a thread until the name server answers or is given up.
pub(super) const MAX_LOOKUPS: usize = 16;

/// Lookups in flight for one plugin, so that names that take forever hold up nobody but the plugin that asks for them:
/// it takes eight such plugins to hold up others.
const MAX_LOOKUPS_OF_ONE: usize = 2;

/// Addresses of one name that are tried; a name with more is balancing load, and any few of them will do.
const MAX_DIALLED: usize = 16;

/// Finds the addresses of host names.
pub trait Resolver: fmt::Debug + Send + Sync {
    /// Every address of `name`, best first. Called on a thread that may block.
    ///
    /// # Errors
    ///
    /// When the name has no address, or that could not be found out.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's own resolver: `getaddrinfo`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let addresses = (name, 0).to_socket_addrs()?;
        Ok(addresses.map(|address| address.ip()).collect())
    }
}

/// What all plugins share of looking up names.
#[derive(Clone, Debug)]
pub(super) struct Lookups {
    resolver: Arc<dyn Resolver>,
    in_flight: Arc<Semaphore>,
}

impl Lookups {
    pub(super) fn new(resolver: Arc<dyn Resolver>) -> Self {
        Self {
            resolver,
            in_flight: Arc::new(Semaphore::new(MAX_LOOKUPS)),
        }
    }

    /// A resolver for one plugin.
    pub(super) fn checked(&self, private_network: bool) -> CheckedResolver {
        CheckedResolver {
            lookups: self.clone(),
            own: Arc::new(Semaphore::new(MAX_LOOKUPS_OF_ONE)),
            private_network,
        }
    }
}

/// The resolver of one plugin: a name counts as refused as soon as one of its addresses is.
#[derive(Clone, Debug)]
pub(super) struct CheckedResolver {
    lookups: Lookups,
    own: Arc<Semaphore>,
    private_network: bool,
}

impl CheckedResolver {
    pub(super) async fn addresses(self, name: String) -> Result<Vec<IpAddr>, ResolveError> {
        let own = permit(&self.own).await?;
        let shared = permit(&self.lookups.in_flight).await?;
        let resolver = self.lookups.resolver;
        let lookup = tokio::task::spawn_blocking(move || {
            // A lookup cannot be stopped. It counts until it has ended, also when nobody waits for it any more.
            let _in_flight = (own, shared);
            resolver.resolve(&name)
        });
        let mut addresses = lookup.await.map_err(|_| ResolveError::Failed)??;
        if addresses.is_empty() {
            return Err(ResolveError::Failed);
        }
        if !self.private_network && !addresses.iter().copied().all(is_globally_reachable) {
            return Err(ResolveError::Refused);
        }
        addresses.truncate(MAX_DIALLED);
        Ok(addresses)
    }
}

async fn permit(of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ResolveError> {
    Arc::clone(of).acquire_owned().await.map_err(|_| ResolveError::Failed)
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, name) = (self.clone(), name.as_str().to_owned());
        Box::pin(async move {
            let addresses = resolver.addresses(name).await?;
            // Port 0 stands for the port of the URL.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// A name gave no address that may be dialled.
#[derive(Debug, Error)]
pub(super) enum ResolveError {
    /// One of them is not a public one.
    #[error("the name has an address that is not a public one")]
    Refused,
    /// There is none, or nobody knows.
    #[error("the name cannot be resolved")]
    Failed,
    /// The resolver failed.
    #[error("the name cannot be resolved")]
    Lookup(#[from] io::Error),
}
