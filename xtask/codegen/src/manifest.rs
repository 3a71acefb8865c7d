//! `docs/manifest.schema.json` from the types the manifest is read into.

use anyhow::Result;
use palisade_bundle::Manifest;

pub(super) fn schema() -> Result<String> {
    Ok(serde_json::to_string_pretty(&Manifest::schema())? + "\n")
}
