//! JSON of the host calls: what goes in and out beside plain bytes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The head of `http_request`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRequestHead {
    /// The method, upper case.
    pub method: String,
    /// The whole URL, `http:` or `https:`.
    pub url: String,
    /// Names and values in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// How long everything may take; the plugin's limit when it is more or left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Whether to follow redirects, at most five and each within the plugin's grant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redirects: bool,
    /// A credential of the manifest that the host adds; the guest never sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// The head of the result of `http_request`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HttpResponseHead {
    /// The status code.
    pub status: u16,
    /// Where the answer came from, after redirects.
    pub url: String,
    /// Names, lower case, and values in order.
    pub headers: Vec<(String, String)>,
}

/// The result of `storage_list`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyPage {
    /// Keys, ascending by their bytes.
    pub keys: Vec<String>,
    /// Whether more follow the last one.
    pub more: bool,
}

/// The result of `system_info`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SystemInfo {
    /// Version of the host.
    pub host_version: String,
    /// ABI of the host, `major.minor`.
    pub abi_version: String,
    /// Operating system, such as `linux`.
    pub os: String,
    /// Processor, such as `x86_64`.
    pub arch: String,
}

/// The input of `plugin_on_event`. A guest that knows what it receives reads the data as a type of its own at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery<T = Value> {
    /// By which door it comes.
    pub kind: DeliveryKind,
    /// The topic; absent for a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The plugin it comes from, as the host knows it.
    pub from: String,
    /// What was published or sent.
    pub data: T,
}

impl<T> Delivery<T> {
    /// What `from` published to a topic.
    pub fn published(topic: impl Into<String>, from: impl Into<String>, data: T) -> Self {
        Self {
            kind: DeliveryKind::Topic,
            topic: Some(topic.into()),
            from: from.into(),
            data,
        }
    }

    /// What `from` sent to this plugin alone.
    pub fn sent(from: impl Into<String>, data: T) -> Self {
        Self {
            kind: DeliveryKind::Message,
            topic: None,
            from: from.into(),
            data,
        }
    }
}

impl Delivery {
    /// The data as a type of the receiver's.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub fn read<'delivery, T: Deserialize<'delivery>>(&'delivery self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.data)
    }
}

/// By which door something reaches a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryKind {
    /// `publish`, to everyone who subscribed.
    Topic,
    /// `message_send`, to this plugin.
    Message,
}
