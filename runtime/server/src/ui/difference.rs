//! How one configuration differs from another, member by member: [`Change`].

use serde_json::{Map, Value};

/// A value that is not the same any more.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    /// The JSON pointer of the value.
    pub(super) pointer: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// What changes on the way from one object to another, in the order of their members.
pub(super) fn between(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Change> {
    let mut changes = Vec::new();
    objects("", before, after, &mut changes);
    changes
}

fn objects(pointer: &str, before: &Map<String, Value>, after: &Map<String, Value>, changes: &mut Vec<Change>) {
    let new = after.keys().filter(|name| !before.contains_key(*name));
    for name in before.keys().chain(new) {
        let part = name.replace('~', "~0").replace('/', "~1");
        values(&format!("{pointer}/{part}"), before.get(name), after.get(name), changes);
    }
}

fn values(pointer: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => objects(pointer, before, after, changes),
        (before, after) if before == after => {}
        (before, after) => changes.push(Change {
            pointer: pointer.to_owned(),
            before: before.map(Value::to_string),
            after: after.map(Value::to_string),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_what_is_new_gone_and_other() {
        let object = |value: Value| value.as_object().unwrap().clone();
        let before = object(json!({"same": 1, "gone": true, "in": {"other": "a", "same": []}}));
        let after = object(json!({"same": 1, "in": {"other": "b", "same": []}, "a/b": null}));
        let told: Vec<_> = between(&before, &after)
            .into_iter()
            .map(|change| (change.pointer, change.before, change.after))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            told,
            [
                ("/gone".to_owned(), text("true"), None),
                ("/in/other".to_owned(), text("\"a\""), text("\"b\"")),
                ("/a~1b".to_owned(), None, text("null")),
            ]
        );
        assert_eq!(between(&before, &before), []);
    }
}
