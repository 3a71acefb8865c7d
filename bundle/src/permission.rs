//! Permissions: what a plugin may ask for, one word each, denied unless granted.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::size::shorten;
use crate::suggest::closest;
use crate::{Blame, Code, Coded};

/// One row a permission: variant, canonical word, whether every plugin has it, what it allows, what denying it protects.
macro_rules! permissions {
    ($($variant:ident $word:literal $grant:ident $meaning:literal $protects:literal;)*) => {
        /// One thing a plugin may do, `area:action`.
        ///
        /// Denied unless the manifest asks, the operator grants and the publisher's ceiling allows; the few of
        /// [`is_granted_to_everyone`](Self::is_granted_to_everyone) excepted. Listening sockets, processes and native
        /// code have no permission: they are never available.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Permission {
            $(#[doc = $meaning] $variant,)*
            /// Call a function that the host application registered.
            Custom(CustomPermission),
        }

        impl Permission {
            /// Every permission with a fixed name, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The canonical word, such as `storage:read`.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Custom(custom) => &custom.name,
                }
            }

            /// What it allows, one sentence.
            #[must_use]
            pub fn meaning(&self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                    Self::Custom(_) => "Call a function that the host application registered.",
                }
            }

            /// What is safe from a plugin that does not have it.
            #[must_use]
            pub fn protects(&self) -> &'static str {
                match self {
                    $(Self::$variant => $protects,)*
                    Self::Custom(_) => "Whatever the function of the host application reaches.",
                }
            }

            /// Who has it without anybody granting it.
            #[must_use]
            pub fn default_grant(&self) -> DefaultGrant {
                match self {
                    $(Self::$variant => DefaultGrant::$grant,)*
                    Self::Custom(_) => DefaultGrant::OnRequest,
                }
            }
        }
    };
}

permissions! {
    LogWrite "log:write" Everyone "Write lines to the plugin's own log."
        "The host's log: its size, and the attention of whoever reads it.";
    ConfigRead "config:read" Everyone "Read the plugin's own configuration."
        "What the operator configured, which may hold names and addresses of other systems.";
    StateRead "state:read" Everyone "Read the plugin's own state record."
        "What an earlier generation of the plugin remembered.";
    StateWrite "state:write" Everyone "Replace the plugin's own state record."
        "The state record against being replaced, and the host's disk.";
    StorageRead "storage:read" OnRequest "Read and list the plugin's own key-value storage."
        "What the plugin kept: data of the people it works for.";
    StorageWrite "storage:write" OnRequest "Put values into the plugin's own key-value storage, within its quota."
        "The host's disk, and what the plugin kept against being overwritten.";
    StorageDelete "storage:delete" OnRequest "Delete keys from the plugin's own key-value storage."
        "What the plugin kept against being lost.";
    NetworkHttp "network:http" OnRequest "Send unencrypted HTTP requests to the hosts the manifest names."
        "Every machine the host can reach; and what is sent, against being read on its way.";
    NetworkHttps "network:https" OnRequest "Send HTTPS requests to the hosts the manifest names."
        "Every machine the host can reach, and the data that a plugin could send out.";
    FilesystemRead "filesystem:read" OnRequest "Read files in folders the operator maps for this plugin."
        "The files of the host, even those in folders that are mapped for other plugins.";
    FilesystemWrite "filesystem:write" OnRequest "Write files in folders the operator maps as writable for this plugin."
        "The files of the host against change, and its disk.";
    EventsPublish "events:publish" OnRequest "Publish to the topics the manifest names."
        "Other plugins against events that they act on.";
    EventsSubscribe "events:subscribe" OnRequest "Receive the topics the manifest names."
        "What other plugins publish.";
    MessageSend "message:send" OnRequest "Send messages to other plugins."
        "Other plugins against messages that they act on.";
    MessageReceive "message:receive" OnRequest "Receive messages from other plugins."
        "The plugin itself, which nobody reaches unless it may.";
    PluginCall "plugin:call" OnRequest "Call commands of the plugins it declares as dependencies."
        "Other plugins, which act with their own permissions for whoever calls them.";
    ScheduleRun "schedule:run" OnRequest "Run its own commands on the schedule in its manifest."
        "The host's time, while nobody is asking for anything.";
    SystemInfo "system:info" OnRequest "Learn the host's version and platform."
        "What the host is, which tells an attacker which flaws to try.";
    ClockPrecise "clock:precise" OnRequest "Read clocks at full resolution, not 1 ms; makes timing attacks easier."
        "Neighbours in the same process, whose work can be guessed from fine timing.";
}

/// Names that stand for several permissions, with what they expand to.
const FAMILIES: &[(&str, &[Permission])] = &[
    (
        "storage",
        &[
            Permission::StorageRead,
            Permission::StorageWrite,
            Permission::StorageDelete,
        ],
    ),
    ("network", &[Permission::NetworkHttp, Permission::NetworkHttps]),
];

impl Permission {
    /// Reads one permission: its canonical word, an alias (`read:storage` for `storage:read`, dots for colons), or
    /// `custom:<area>:<action>`.
    ///
    /// # Errors
    /// [`UnknownPermission`] with the closest known word. A family such as `storage` is more than one permission and
    /// is refused here; see [`expand`](Self::expand).
    pub fn parse(text: &str) -> Result<Self, UnknownPermission> {
        Self::lookup(text).ok_or_else(|| UnknownPermission::new(text))
    }

    /// Reads what a manifest or an operator may write: everything [`parse`](Self::parse) takes, and the families
    /// `storage` and `network`. Never empty.
    ///
    /// # Errors
    /// [`UnknownPermission`] with the closest known word.
    pub fn expand(text: &str) -> Result<Vec<Self>, UnknownPermission> {
        match FAMILIES.iter().find(|(family, _)| *family == text) {
            Some((_, members)) => Ok(members.to_vec()),
            None => Self::parse(text).map(|permission| vec![permission]),
        }
    }

    /// Whether every plugin has it, asked or not.
    #[must_use]
    pub fn is_granted_to_everyone(&self) -> bool {
        self.default_grant() == DefaultGrant::Everyone
    }

    /// The permissions every plugin has.
    pub fn granted_to_everyone() -> impl Iterator<Item = Self> {
        Self::ALL
            .iter()
            .filter(|permission| permission.is_granted_to_everyone())
            .cloned()
    }

    fn lookup(text: &str) -> Option<Self> {
        let canonical = text.replace('.', ":");
        if let Some(name) = canonical.strip_prefix("custom:") {
            return CustomPermission::read(name).map(Self::Custom);
        }
        let (first, second) = canonical.split_once(':')?;
        let is =
            |permission: &&Self, area: &str, action: &str| permission.as_str().split_once(':') == Some((area, action));
        let known = Self::ALL.iter();
        known
            .clone()
            .find(|it| is(it, first, second))
            .or_else(|| known.clone().find(|it| is(it, second, first)))
            .cloned()
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        Self::parse(text)
    }
}

impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<'de, str>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Permission {
    fn schema_name() -> Cow<'static, str> {
        "Permission".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words = Self::ALL
            .iter()
            .map(|permission| serde_json::json!({ "const": permission.as_str(), "description": permission.meaning() }));
        let aliases = Self::ALL.iter().filter_map(|permission| {
            let (area, action) = permission.as_str().split_once(':')?;
            Some(format!("{area}\\.{action}|{action}[:.]{area}"))
        });
        let aliases: Vec<_> = aliases.collect();
        let families: Vec<_> = FAMILIES.iter().map(|(family, _)| *family).collect();
        let mut choices: Vec<Value> = words.collect();
        choices.push(serde_json::json!({ "enum": families, "description": "All permissions of the area." }));
        choices.push(serde_json::json!({
            "pattern": "^custom[:.][a-z][a-z0-9_-]{0,63}[:.][a-z][a-z0-9_-]{0,63}$",
            "description": "A function that the host application registered."
        }));
        choices
            .push(serde_json::json!({ "pattern": format!("^({})$", aliases.join("|")), "description": "An alias." }));
        json_schema!({ "type": "string", "description": "What the plugin may do, `area:action`.", "anyOf": choices })
    }
}

/// A permission that a host application defines: `custom:<area>:<action>`, each part `[a-z][a-z0-9_-]{0,63}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomPermission {
    name: String,
    area: String,
    action: String,
}

impl CustomPermission {
    /// The part after `custom:`, such as `payments`.
    #[must_use]
    pub fn area(&self) -> &str {
        &self.area
    }

    /// The last part, such as `charge`.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    fn read(name: &str) -> Option<Self> {
        let (area, action) = name.split_once(':')?;
        let well_formed = is_word(area) && is_word(action);
        well_formed.then(|| Self {
            name: format!("custom:{name}"),
            area: area.to_owned(),
            action: action.to_owned(),
        })
    }
}

/// Who has a permission without anybody granting it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DefaultGrant {
    /// Every plugin.
    Everyone,
    /// No plugin: it must ask, and the operator must grant.
    OnRequest,
}

/// A permission nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a permission")]
pub struct UnknownPermission {
    /// The name as written, shortened.
    pub name: String,
    /// The closest known name, when one is close.
    pub suggestion: Option<String>,
}

impl UnknownPermission {
    fn new(text: &str) -> Self {
        let canonical = text.to_ascii_lowercase().replace('.', ":");
        let known = Permission::ALL
            .iter()
            .map(Permission::as_str)
            .chain(FAMILIES.iter().map(|(family, _)| *family));
        let suggestion = match canonical.strip_prefix("custom") {
            Some(_) => Some("custom:<area>:<action>".to_owned()),
            None => closest(&canonical, known).map(str::to_owned),
        };
        Self {
            name: shorten(text),
            suggestion,
        }
    }
}

impl Coded for UnknownPermission {
    fn code(&self) -> Code {
        Code::UnknownPermission
    }

    fn blame(&self) -> Blame {
        Blame::Bundle
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::from_iter([("permission".to_owned(), self.name.clone().into())]);
        if let Some(suggestion) = &self.suggestion {
            details.insert("suggestion".to_owned(), suggestion.clone().into());
        }
        details
    }

    fn help(&self) -> Vec<String> {
        let list = "`palisade help permissions` lists every permission".to_owned();
        let suggestion = self.suggestion.as_ref().map(|name| format!("did you mean `{name}`?"));
        suggestion.into_iter().chain([list]).collect()
    }
}

/// `[a-z][a-z0-9_-]{0,63}`, the form of command names and of the parts of custom permissions: one token on a command
/// line, in a URL and in a log, in every spelling a guest language has.
pub(crate) fn is_word(text: &str) -> bool {
    let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    starts && text.len() <= 64 && text.bytes().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn expanded(text: &str) -> Vec<String> {
        Permission::expand(text)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn every_word_reads_as_itself() {
        for permission in Permission::ALL {
            assert_eq!(&Permission::parse(permission.as_str()).unwrap(), permission);
        }
    }

    #[test]
    fn four_are_granted_to_everyone() {
        let granted: Vec<_> = Permission::granted_to_everyone().map(|it| it.to_string()).collect();
        assert_eq!(granted, ["log:write", "config:read", "state:read", "state:write"]);
    }

    #[test]
    fn aliases_are_accepted_and_shown_expanded() {
        assert_eq!(expanded("read:storage"), ["storage:read"]);
        assert_eq!(expanded("storage.read"), ["storage:read"]);
        assert_eq!(expanded("read.storage"), ["storage:read"]);
        assert_eq!(expanded("storage"), ["storage:read", "storage:write", "storage:delete"]);
        assert_eq!(expanded("network"), ["network:http", "network:https"]);
        assert_eq!(expanded("custom.payments.charge"), ["custom:payments:charge"]);
    }

    #[test]
    fn a_custom_permission_has_an_area_and_an_action() {
        let Permission::Custom(custom) = Permission::parse("custom:payments:charge-card").unwrap() else {
            panic!("not custom");
        };
        assert_eq!((custom.area(), custom.action()), ("payments", "charge-card"));
        for near in [
            "custom:payments",
            "custom:payments:",
            "custom::charge",
            "custom:Pay:charge",
            "custom:a:b:c",
            "custom",
        ] {
            assert_eq!(
                Permission::expand(near).unwrap_err().suggestion.as_deref(),
                Some("custom:<area>:<action>"),
                "{near}"
            );
        }
    }

    #[test]
    fn refuses_unknown_names_with_the_closest_known_one() {
        let suggestion = |text: &str| Permission::expand(text).unwrap_err().suggestion;
        assert_eq!(suggestion("storage:reed").as_deref(), Some("storage:read"));
        assert_eq!(suggestion("Storage:Read").as_deref(), Some("storage:read"));
        assert_eq!(suggestion("network:htpp").as_deref(), Some("network:http"));
        assert_eq!(suggestion("storag").as_deref(), Some("storage"));
        assert_eq!(suggestion("process:spawn"), None);
        assert_eq!(suggestion(""), None);
        for near in [
            "storage:",
            ":read",
            "storage:read ",
            "storage::read",
            "storage:read:x",
            "filesystem",
            "*",
        ] {
            assert!(Permission::expand(near).is_err(), "{near}");
        }
    }

    #[test]
    fn a_family_is_not_one_permission() {
        assert!(Permission::parse("storage").is_err());
    }

    #[test]
    fn the_error_carries_the_name_and_the_suggestion() {
        let error = Permission::parse("storage:raed").unwrap_err();
        assert_eq!(error.code(), Code::UnknownPermission);
        insta::assert_snapshot!(error, @"`storage:raed` is not a permission");
        insta::assert_json_snapshot!(error.details(), @r#"
        {
          "permission": "storage:raed",
          "suggestion": "storage:read"
        }
        "#);
        insta::assert_json_snapshot!(error.help(), @r#"
        [
          "did you mean `storage:read`?",
          "`palisade help permissions` lists every permission"
        ]
        "#);
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_what_is_read_prints_back(text in "[a-z.:]{0,30}|.*") {
            if let Ok(permission) = Permission::parse(&text) {
                prop_assert_eq!(Permission::parse(permission.as_str()).unwrap(), permission);
            }
        }
    }
}
