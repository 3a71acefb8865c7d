//! Configurations as they are shown: what a schema calls secret is left out.

use palisade_bundle::Manifest;
use serde_json::{Map, Value};

use super::disk::ConfigChange;
use super::error::{NotFound, TransitionError};
use super::supervisor::Supervisor;

/// What stands for a secret. Given back, it stands for the secret that is there.
pub const REDACTED: &str = "[redacted]";

impl Supervisor {
    /// The configuration a plugin has, whether its operator's or its manifest's, secrets and all.
    ///
    /// # Errors
    ///
    /// [`NotFound`] with the nearest name there is.
    pub fn effective_config(&self, id: &str) -> Result<Map<String, Value>, NotFound> {
        Ok(self.host.find(id)?.view().row.effective_config().clone())
    }

    /// The configuration a plugin has, with [`REDACTED`] for what the schema of its manifest marks as `writeOnly` or with
    /// the format `password`.
    ///
    /// # Errors
    ///
    /// [`NotFound`] with the nearest name there is.
    pub fn shown_config(&self, id: &str) -> Result<Map<String, Value>, NotFound> {
        let view = self.host.find(id)?.view();
        let mut config = view.row.effective_config().clone();
        if let Some(schema) = schema_of(&view.row.active.manifest) {
            each_secret(schema, &mut config, &mut |secret| *secret = REDACTED.into());
        }
        Ok(config)
    }

    /// The configurations a plugin had, with the same left out.
    ///
    /// # Errors
    ///
    /// As [`config_history`](Self::config_history).
    pub async fn shown_config_history(&self, id: &str) -> Result<Vec<ConfigChange>, TransitionError> {
        let view = self.host.find(id)?.view();
        let mut history = self.config_history(id).await?;
        if let Some(schema) = schema_of(&view.row.active.manifest) {
            let configs = history.iter_mut().map(|change| &mut change.config);
            configs.for_each(|config| each_secret(schema, config, &mut |secret| *secret = REDACTED.into()));
        }
        Ok(history)
    }

    /// The configuration that somebody means who was shown one and changed it: for [`REDACTED`], the secret that it
    /// stands for.
    ///
    /// # Errors
    ///
    /// [`NotFound`] with the nearest name there is.
    pub fn meant_config(&self, id: &str, mut shown: Map<String, Value>) -> Result<Map<String, Value>, NotFound> {
        let view = self.host.find(id)?.view();
        let Some(schema) = schema_of(&view.row.active.manifest) else {
            return Ok(shown);
        };
        let mut kept = view.row.effective_config().clone();
        restore(schema, &mut shown, &mut kept);
        Ok(shown)
    }
}

fn schema_of(manifest: &Manifest) -> Option<&Value> {
    manifest.config_schema.as_ref()
}

fn is_secret(schema: &Value) -> bool {
    schema.get("writeOnly") == Some(&Value::Bool(true))
        || schema.get("format").is_some_and(|format| format == "password")
}

/// The members of an object that its schema describes. Manifests are bounded in depth, so this is too.
fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

fn each_secret(schema: &Value, config: &mut Map<String, Value>, found: &mut impl FnMut(&mut Value)) {
    for (name, schema) in properties(schema) {
        match config.get_mut(name) {
            Some(value) if is_secret(schema) => found(value),
            Some(Value::Object(inner)) => each_secret(schema, inner, found),
            _ => {}
        }
    }
}

fn restore(schema: &Value, shown: &mut Map<String, Value>, kept: &mut Map<String, Value>) {
    for (name, schema) in properties(schema) {
        match (shown.get_mut(name), kept.get_mut(name)) {
            (Some(value), Some(secret)) if is_secret(schema) && value == REDACTED => *value = secret.take(),
            (Some(Value::Object(shown)), Some(Value::Object(kept))) => restore(schema, shown, kept),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn schema() -> Value {
        json!({"type": "object", "properties": {
            "url": {"type": "string"},
            "key": {"type": "string", "writeOnly": true},
            "smtp": {"type": "object", "properties": {"password": {"type": "string", "format": "password"}}}
        }})
    }

    #[test]
    fn what_is_secret_is_left_out_at_any_depth() {
        let mut config = object(json!({"url": "a", "key": "k", "smtp": {"password": "p", "user": "u"}}));
        each_secret(&schema(), &mut config, &mut |secret| *secret = REDACTED.into());
        let shown = json!({"url": "a", "key": REDACTED, "smtp": {"password": REDACTED, "user": "u"}});
        assert_eq!(Value::Object(config), shown);
    }

    #[test]
    fn what_was_left_out_comes_back_and_what_was_changed_stays() {
        let mut kept = object(json!({"url": "a", "key": "k", "smtp": {"password": "p"}}));
        let mut shown = object(json!({"url": REDACTED, "key": "new", "smtp": {"password": REDACTED}}));
        restore(&schema(), &mut shown, &mut kept);
        assert_eq!(
            Value::Object(shown),
            json!({"url": REDACTED, "key": "new", "smtp": {"password": "p"}})
        );
    }
}
