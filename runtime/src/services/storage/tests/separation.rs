//! Plugins that try to reach what belongs to another.

use super::{Setting, for_every_storage, put};
use crate::services::storage::StorageQuota;

for_every_storage! {
    keeps_namespaces_with_clever_names_apart,
    takes_a_prefix_for_what_it_says,
    counts_each_namespace_by_itself,
}

/// Names that an encoding, a collation, a wildcard or a cut could take for one another.
const CLEVER: [(&str, Option<&str>); 22] = [
    ("a", None),
    ("a", Some("")),
    ("a", Some("=")),
    ("a", Some("\0")),
    ("a", Some("NULL")),
    ("a", Some("b")),
    ("a", Some("B")),
    ("a", Some("b ")),
    ("A", Some("b")),
    ("a ", Some("b")),
    ("a\0", Some("b")),
    ("a\0b", None),
    ("a\0b", Some("")),
    ("ab", Some("")),
    ("a=b", None),
    ("", Some("ab")),
    ("", None),
    ("%", Some("%")),
    ("_", Some("_")),
    ("a' OR '1'='1", Some("b' --")),
    // The same letter, composed and with a combining accent.
    ("\u{e9}", None),
    ("e\u{301}", None),
];

fn keeps_namespaces_with_clever_names_apart(setting: &Setting) {
    let rooms = CLEVER.map(|(plugin_id, publisher)| setting.of(plugin_id, publisher));
    for (number, room) in rooms.iter().enumerate() {
        room.put("k", number.to_string());
        room.set_state(Some(number.to_string().as_bytes())).unwrap();
    }
    for (number, room) in rooms.iter().enumerate() {
        assert_eq!(room.get("k").unwrap(), number.to_string().as_bytes(), "{:?}", room.of);
        assert_eq!(room.state().unwrap(), number.to_string().as_bytes(), "{:?}", room.of);
        assert_eq!(room.keys(), ["k"], "{:?}", room.of);
    }
    for (number, room) in rooms.iter().enumerate() {
        room.clear();
        let left = rooms
            .iter()
            .filter(|room| room.get("k").is_some() && room.state().is_some());
        assert_eq!(left.count(), rooms.len() - number - 1, "{:?} was cleared", room.of);
    }
}

fn takes_a_prefix_for_what_it_says(setting: &Setting) {
    let room = setting.room();
    let keys = [
        "*", "A", "[a]", "\\", "_", "a", "a%", "a%b", "a*b", "a?b", "a_b", "axb", "a\u{7f}", "á", "ÿ",
    ];
    for key in keys {
        room.put(key, "");
    }
    for prefix in [
        "", "%", "_", "*", "[", "[a-z]", "\\", "a", "a%", "a_", "a?", "a\u{7f}", "á", "a\0", "ÿ", "'",
    ] {
        let expected: Vec<_> = keys.iter().filter(|key| key.starts_with(prefix)).collect();
        let mut listed = room.list(prefix, "", 100).keys;
        assert!(listed.is_sorted());
        listed.sort_by_key(|listed| keys.iter().position(|key| key == listed));
        assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "{prefix:?}");
    }
}

fn counts_each_namespace_by_itself(setting: &Setting) {
    let two_bytes = StorageQuota { bytes: 2, keys: 1 };
    for (plugin_id, publisher) in CLEVER {
        setting
            .of(plugin_id, publisher)
            .write(put("k", "1"), two_bytes)
            .unwrap();
    }
    for (plugin_id, publisher) in CLEVER {
        assert_eq!(setting.of(plugin_id, publisher).usage(), (2, 1));
    }
}
