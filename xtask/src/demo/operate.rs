//! The part of the demo that has a data directory: a plugin's life, with the trail of it.

use anyhow::{Result, bail};
use serde_json::Value;

use super::stage::Stage;

/// Whose data directory the steps are about, and whom its host trusts.
const HOUSE: [&str; 4] = ["--data-dir", "data", "--trust", "demo.pub"];

const ID: &str = "com.example.shop";

pub(super) fn install(stage: &mut Stage) -> Result<()> {
    stage.step("A host with a data directory: installed once, the plugin is there for every command after that.");
    let manifest = include_str!("shop/plugin.json");
    let module = include_str!("shop/plugin.wat");
    // A sequence is the time of the signature unless one is named, and these are signed in the same second.
    for (version, sequence) in [("1.0.0", "1"), ("1.1.0", "2")] {
        let manifest = manifest.replace("1.0.0", version);
        stage.write("shop", &[("plugin.json", &manifest), ("plugin.wat", module)])?;
        let bundle = format!("shop-{version}.zip");
        stage.palisade_build(["build", "shop", "-o", &bundle])?.exits(0)?;
        stage
            .palisade(["sign", &bundle, "--key", "demo.key", "--sequence", sequence])?
            .exits(0)?;
    }
    stage
        .palisade([&["install", "shop-1.0.0.zip", "--enable"], &HOUSE[..]].concat())?
        .exits(0)?;
    stage
        .palisade([&["call", ID, "order", r#"{"item":"tea"}"#], &HOUSE[..]].concat())?
        .exits(0)?
        .says(r#"{"item":"tea"}"#)?;
    stage
        .palisade([&["list"], &HOUSE[..]].concat())?
        .exits(0)?
        .says("active")?;
    Ok(())
}

pub(super) fn upgrade_under_load(stage: &mut Stage) -> Result<()> {
    stage.step("An upgrade and a rollback while four callers call without a pause: every call is answered once.");
    let arguments = ["data", "demo.pub", ID, "shop-1.1.0.zip", "order"];
    stage
        .example(arguments)?
        .exits(0)?
        .says("upgraded to 1.1.0")?
        .says("rolled back to 1.0.0")?
        .says("0 of ")?;
    let status = stage.palisade([&["status", ID, "--json"], &HOUSE[..]].concat())?;
    if status.exits(0)?.json()?.get("version").and_then(Value::as_str) != Some("1.0.0") {
        bail!("the plugin should be back at 1.0.0");
    }
    Ok(())
}

pub(super) fn show_the_trail(stage: &mut Stage) -> Result<()> {
    stage.step("Everything that was done to it, chained and signed.");
    stage
        .palisade(["audit", "list", "--data-dir", "data"])?
        .exits(0)?
        .says("upgrade")?
        .says("rollback")?;
    stage.palisade(["audit", "verify", "--data-dir", "data"])?.exits(0)?;
    Ok(())
}
