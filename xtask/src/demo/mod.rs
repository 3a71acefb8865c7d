//! `cargo xtask demo`: the whole way from the source of a plugin to the result of a command, its life on a host, and three
//! plugins that do not get there. Every step checks its exit code and its words, so the demo cannot show what is not so.

mod operate;
mod stage;

use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use self::stage::Stage;
use crate::{prepare, repository};

/// Plays the demo; `keep` leaves its folder in place.
pub(crate) fn run(keep: bool) -> Result<()> {
    prepare::guest_target()?;
    let mut stage = Stage::new(prepare::program("palisade")?, prepare::example("under_load")?)?;

    make_a_key(&mut stage)?;
    build_the_samples(&mut stage)?;
    verify(&mut stage)?;
    count_the_words_of_the_readme(&mut stage)?;
    greet(&mut stage)?;
    keep_notes_only_with_the_permission_to(&mut stage)?;
    play_a_command_back(&mut stage)?;
    stay_in_the_folder(&mut stage)?;
    operate::install(&mut stage)?;
    operate::upgrade_under_load(&mut stage)?;
    operate::show_the_trail(&mut stage)?;
    refuse_a_tampered_copy(&mut stage)?;
    refuse_the_signature_of_a_stranger(&mut stage)?;
    stop_an_endless_loop(&mut stage)?;

    println!("\nEvery step ended as told.");
    if keep {
        println!("The keys and bundles are in {}", stage.keep().display());
    }
    Ok(())
}

fn make_a_key(stage: &mut Stage) -> Result<()> {
    stage.step("A key pair. The publisher keeps demo.key; who trusts the publisher is given demo.pub.");
    stage.palisade(["key", "generate", "--out", "demo"])?.exits(0)?;
    Ok(())
}

fn build_the_samples(stage: &mut Stage) -> Result<()> {
    stage.step("The sample plugins, compiled from source, packed and signed.");
    for name in repository::sample_plugins()? {
        let folder = repository::root()
            .join("sample-plugins")
            .join(&name)
            .display()
            .to_string();
        let bundle = format!("{name}.zip");
        stage
            .palisade_build(["build", &folder, "--release", "--sign", "demo.key", "-o", &bundle])?
            .exits(0)?;
        if !stage.path(&bundle).is_file() {
            bail!("`palisade build` should have written {bundle}");
        }
    }
    Ok(())
}

fn verify(stage: &mut Stage) -> Result<()> {
    stage.step("Everything that is checked before a byte of a plugin is compiled.");
    stage
        .palisade(["verify", "word-count.zip", "--trust", "demo.pub"])?
        .exits(0)?;
    Ok(())
}

fn count_the_words_of_the_readme(stage: &mut Stage) -> Result<()> {
    stage.step("A command on real text, this project's README, and the receipt for it.");
    let readme = fs::read_to_string(repository::root().join("README.md")).context("cannot read README.md")?;
    stage.write(".", &[("README.md", &readme)])?;
    let call = [
        "call",
        "word-count.zip",
        "count",
        "--input-file",
        "README.md",
        "--trust",
        "demo.pub",
        "--json",
    ];
    let answer = stage.palisade(call)?.exits(0)?.json()?;

    let expected = [
        ("lines", readme.lines().count()),
        ("characters", readme.chars().count()),
    ];
    for (member, count) in expected {
        if answer.pointer(&format!("/result/{member}")).and_then(Value::as_u64) != u64::try_from(count).ok() {
            bail!("the plugin should have counted {count} {member}");
        }
    }
    if answer
        .pointer("/receipt/fuel")
        .and_then(Value::as_u64)
        .is_none_or(|fuel| fuel == 0)
    {
        bail!("the receipt should say how much fuel the count took");
    }
    Ok(())
}

fn greet(stage: &mut Stage) -> Result<()> {
    stage.step("A command with typed arguments; standard output is the plugin's bytes and nothing else.");
    let call = [
        "call",
        "greeter.zip",
        "greet",
        r#"{"name":"Ada"}"#,
        "--trust",
        "demo.pub",
    ];
    stage.palisade(call)?.exits(0)?.says("Ada")?;
    Ok(())
}

fn keep_notes_only_with_the_permission_to(stage: &mut Stage) -> Result<()> {
    stage.step("A plugin with a power: without the grant it does not start, with it the host keeps what it stores.");
    let call = ["call", "notes.zip", "add", r#"{"text":"milk"}"#, "--trust", "demo.pub"];
    stage.palisade(call)?.exits(6)?.says("error[PERMISSION_DENIED]")?;
    let granted = [&call[..], &["--grant", "storage", "--storage", "notes.db"]].concat();
    stage.palisade(granted.clone())?.exits(0)?.says(r#"{"id":1}"#)?;
    stage.palisade(granted)?.exits(0)?.says(r#"{"id":2}"#)?;
    Ok(())
}

fn play_a_command_back(stage: &mut Stage) -> Result<()> {
    stage.step("What a command hears from outside, recorded; played back it answers the same for the same fuel.");
    let call = [
        "call",
        "notes.zip",
        "list",
        "--trust",
        "demo.pub",
        "--grant",
        "storage",
        "--json",
    ];
    let live = [&call[..], &["--storage", "notes.db", "--record", "heard.json"]].concat();
    let live = stage.palisade(live)?.exits(0)?.json()?;
    let played = [&call[..], &["--replay", "heard.json"]].concat();
    let played = stage.palisade(played)?.exits(0)?.json()?;
    for member in ["/result", "/receipt/fuel"] {
        if live.pointer(member).is_none() || live.pointer(member) != played.pointer(member) {
            bail!("{member} should be the same when it is played back");
        }
    }
    Ok(())
}

fn stay_in_the_folder(stage: &mut Stage) -> Result<()> {
    stage.step("A plugin with a folder, which it cannot leave.");
    stage.write("shared", &[("hello.txt", "hello")])?;
    let read = |path: &'static str| {
        let call = ["call", "files.zip", "read", path, "--trust", "demo.pub"];
        [&call[..], &["--grant", "filesystem:read", "--dir", "shared::/data"]].concat()
    };
    stage
        .palisade(read(r#"{"path":"hello.txt"}"#))?
        .exits(0)?
        .says("hello")?;
    stage.palisade(read(r#"{"path":"../demo.key"}"#))?.exits(8)?;
    Ok(())
}

fn refuse_a_tampered_copy(stage: &mut Stage) -> Result<()> {
    stage.step("The same bundle with one bit changed. Nothing of it is compiled.");
    stage.tamper("word-count.zip", "tampered.zip")?;
    let call = [
        "call",
        "tampered.zip",
        "count",
        "--input-file",
        "README.md",
        "--trust",
        "demo.pub",
    ];
    stage.palisade(call)?.exits(4)?.says("error[INVALID_SIGNATURE]")?;
    Ok(())
}

fn refuse_the_signature_of_a_stranger(stage: &mut Stage) -> Result<()> {
    stage.step("A well-formed plugin, signed by somebody whom nobody here knows.");
    let files = [
        ("plugin.json", include_str!("endless/plugin.json")),
        ("plugin.wat", include_str!("endless/plugin.wat")),
    ];
    stage.write("endless", &files)?;
    stage.palisade(["key", "generate", "--out", "stranger"])?.exits(0)?;
    stage
        .palisade_build(["build", "endless", "--sign", "stranger.key", "-o", "strange.zip"])?
        .exits(0)?;
    let call = ["call", "strange.zip", "spin", "--trust", "demo.pub"];
    stage.palisade(call)?.exits(4)?.says("error[UNTRUSTED_KEY]")?;
    Ok(())
}

fn stop_an_endless_loop(stage: &mut Stage) -> Result<()> {
    stage.step("The same plugin, signed by a publisher who is trusted. It never comes back, so its fuel runs out.");
    stage
        .palisade_build(["build", "endless", "--sign", "demo.key", "-o", "endless.zip"])?
        .exits(0)?;
    let call = ["call", "endless.zip", "spin", "--trust", "demo.pub"];
    stage.palisade(call)?.exits(7)?.says("error[FUEL_EXHAUSTED]")?;
    Ok(())
}
