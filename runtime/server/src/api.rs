//! The calls of the API on their way into a router and into the document that describes them: [`Api`].

use axum::Router;
use axum::handler::Handler;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use std::collections::BTreeMap;

use crate::endpoint::Endpoint;
use crate::operation::Operation;
use crate::service::Service;

/// Calls by their path.
#[derive(Default)]
pub(crate) struct Api {
    by_path: BTreeMap<String, MethodRouter<Service>>,
    endpoints: Vec<Endpoint>,
}

impl Api {
    /// Adds a call, on its path and where the plugin is named in the path.
    pub(crate) fn call<H, T>(mut self, endpoint: Endpoint, handler: H) -> Self
    where
        H: Handler<T, Service>,
        T: 'static,
    {
        let is_with_id = endpoint.path.contains("{id}");
        self.add(endpoint.path.to_owned(), &endpoint, is_with_id, handler.clone());
        if let Some(alias) = endpoint.alias() {
            self.add(alias, &endpoint, true, handler);
        }
        self.endpoints.push(endpoint);
        self
    }

    fn add<H, T>(&mut self, path: String, endpoint: &Endpoint, has_id: bool, handler: H)
    where
        H: Handler<T, Service>,
        T: 'static,
    {
        // Every method that an endpoint is made for is one of these.
        let filter = MethodFilter::try_from(endpoint.method.clone()).unwrap_or(MethodFilter::GET);
        let operation = Operation {
            name: endpoint.name,
            is_classic: endpoint.is_classic,
            has_id,
        };
        let named = on(filter, handler).layer(axum::middleware::map_response(move |mut response: Response| {
            response.extensions_mut().insert(operation);
            std::future::ready(response)
        }));
        let before = self.by_path.remove(&path).unwrap_or_default();
        self.by_path.insert(path, before.merge(named));
    }

    /// The calls, as they were added.
    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The router of all calls.
    pub(crate) fn into_router(self) -> Router<Service> {
        let routers = self.by_path.into_iter();
        routers.fold(Router::new(), |all, (path, methods)| all.route(&path, methods))
    }
}
