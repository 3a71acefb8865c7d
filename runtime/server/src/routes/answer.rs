//! Bodies that several calls answer with.

use axum::Json;
use palisade::PluginStatus;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::rejection::Rejection;
use crate::service::Service;

/// What a handler answers: JSON, or why not.
pub(super) type Answer<T> = Result<Json<T>, Rejection>;

/// Something was done to a plugin. `M` are members of the one call.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Done<M> {
    /// Which plugin.
    pub(super) plugin: String,
    /// The word `success`.
    pub(super) status: &'static str,
    /// For a person.
    pub(super) message: &'static str,
    #[serde(flatten)]
    pub(super) more: M,
    /// Seconds since 1970.
    pub(super) timestamp: i64,
}

/// The plugin afterwards.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Detail {
    /// As `GET /plugins/{id}` tells it.
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub(super) detail: PluginStatus,
}

impl<M> Done<M> {
    pub(super) fn new(service: &Service, plugin: String, message: &'static str, more: M) -> Self {
        Self {
            plugin,
            status: "success",
            message,
            more,
            timestamp: service.now().unix_seconds(),
        }
    }
}

impl Done<Detail> {
    pub(super) fn detailed(service: &Service, message: &'static str, detail: PluginStatus) -> Json<Self> {
        Json(Self::new(service, detail.id.clone(), message, Detail { detail }))
    }
}
