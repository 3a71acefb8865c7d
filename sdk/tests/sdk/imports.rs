//! What a finished module imports: what its plugin calls, and nothing else.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::process::Command;

use palisade_abi::{IMPORT_MODULE, import};
use wasmparser::{Parser, Payload};

/// Compiles a sample as `cargo xtask` does, into the folder it does.
fn compile(sample: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .ok_or("the folder for tests lies in another")?;
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--target", "wasm32-wasip1", "--package", sample])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(std::fs::read(
        target.join(format!("wasm32-wasip1/release/{sample}.wasm")),
    )?)
}

/// The names that a module imports from the host.
fn imports(module: &[u8]) -> Result<BTreeSet<&str>, Box<dyn Error>> {
    let mut names = BTreeSet::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ImportSection(section) = payload? {
            for import in section.into_imports() {
                let import = import?;
                if import.module == IMPORT_MODULE {
                    names.insert(import.name);
                }
            }
        }
    }
    Ok(names)
}

#[test]
fn a_module_imports_what_its_plugin_calls_and_nothing_else() {
    let greeter = compile("greeter").unwrap();
    assert_eq!(imports(&greeter).unwrap(), [import::LOG].into());
    let notes = compile("notes").unwrap();
    let storage = [
        import::LOG,
        import::RESULT_TAKE,
        import::STORAGE_CAS,
        import::STORAGE_DELETE,
        import::STORAGE_GET,
        import::STORAGE_LIST,
        import::STORAGE_PUT,
    ];
    assert_eq!(imports(&notes).unwrap(), storage.into());
}

#[test]
fn a_module_holds_nothing_of_the_fake_host() {
    let notes = compile("notes").unwrap();
    let said_by_the_fake = b"the fake host has no answer";
    assert!(
        !notes
            .windows(said_by_the_fake.len())
            .any(|window| window == said_by_the_fake)
    );
}
