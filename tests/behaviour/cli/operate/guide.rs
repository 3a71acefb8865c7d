//! `docs/operate.md`, run from top to bottom in one shell.

use std::fs;

use palisade_tests::{key, release, sample};
use serde_json::{Value, json};

use crate::readme::{check, examples, repository, run_all};

fn bundle(version: &str, sequence: u64, permissions: &[&str]) -> Vec<u8> {
    let (mut manifest, module) = sample("notes");
    manifest["version"] = version.into();
    manifest["name"] = "Notes".into();
    let asked = manifest["permissions"].as_array_mut().unwrap();
    asked.extend(permissions.iter().map(|permission| Value::from(*permission)));
    manifest["config"] = json!({"language": "en"});
    manifest["config_schema"] = json!({"type": "object", "properties": {"language": {"type": "string"}}});
    release(&manifest, &module, sequence)
}

#[test]
fn every_command_does_what_the_guide_shows() {
    let guide = fs::read_to_string(repository().join("docs/operate.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("notes-0.1.0.zip", bundle("0.1.0", 1, &[])),
        ("notes-0.2.0.zip", bundle("0.2.0", 2, &["events:publish"])),
        ("mine.pub", key().public().to_pem().into_bytes()),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let examples = examples(&guide);
    check(&examples, run_all(&examples, folder.path()));
}
