//! Who may depend on whom.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::Finding;
use crate::{process, repository};

/// The packages of this workspace each one may name, in any section of its `Cargo.toml`. A package that is not listed
/// may not exist: a new one starts by saying here where it stands.
const ALLOWED: &[(&str, &[&str])] = &[
    ("palisade-abi", &[]),
    ("palisade-bundle", &[]),
    ("palisade-signer", &["palisade-bundle"]),
    ("palisade", &["palisade-abi", "palisade-bundle"]),
    (
        "palisade-cli",
        &[
            "palisade",
            "palisade-abi",
            "palisade-bundle",
            "palisade-server",
            "palisade-signer",
        ],
    ),
    ("palisade-server", &["palisade"]),
    ("palisade-sdk", &["palisade-abi", "palisade-sdk-macros"]),
    ("palisade-sdk-macros", &[]),
    ("palisade-benches", &["palisade", "palisade-abi", "palisade-bundle"]),
    (
        "palisade-tests",
        &["palisade", "palisade-abi", "palisade-bundle", "palisade-server"],
    ),
    ("xtask", &[]),
    (
        "codegen",
        &["palisade", "palisade-abi", "palisade-bundle", "palisade-server"],
    ),
];

/// Every sample plugin is written as an outsider would: the SDK and nothing else of this workspace.
const SAMPLE_FOLDER: &str = "sample-plugins/";
const SAMPLE_ALLOWED: &[&str] = &["palisade-sdk"];

/// A package of the workspace.
#[derive(Debug, Clone)]
pub(super) struct Package {
    pub(super) name: String,
    /// From the top of the repository, with `/` between the parts.
    pub(super) folder: String,
    /// Names of everything it depends on, of any kind, here or elsewhere.
    pub(super) dependencies: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: std::path::PathBuf,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
}

/// Asks cargo.
pub(super) fn workspace_packages() -> Result<Vec<Package>> {
    let output = process::cargo(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    metadata.packages.into_iter().map(package).collect()
}

fn package(package: MetadataPackage) -> Result<Package> {
    let folder = package
        .manifest_path
        .parent()
        .context("a manifest stands in a folder")?;
    let folder = folder
        .strip_prefix(repository::root())?
        .to_string_lossy()
        .replace('\\', "/");
    let dependencies = package
        .dependencies
        .into_iter()
        .map(|dependency| dependency.name)
        .collect();
    Ok(Package {
        name: package.name,
        folder,
        dependencies,
    })
}

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages
        .iter()
        .flat_map(|package| check_one(package, packages))
        .collect()
}

fn check_one(package: &Package, packages: &[Package]) -> Vec<Finding> {
    let place = format!("{}/Cargo.toml", package.folder);
    let Some(allowed) = allowed(package) else {
        let what = format!(
            "package `{}` has no row in xtask/src/tidy/dependencies.rs",
            package.name
        );
        return vec![Finding::new(place, what)];
    };
    let of_workspace = |name: &&String| packages.iter().any(|other| &other.name == *name);
    let refused = package
        .dependencies
        .iter()
        .filter(of_workspace)
        .filter(|name| !allowed.contains(&name.as_str()));
    refused
        .map(|name| Finding::new(&*place, format!("`{}` may not depend on `{name}`", package.name)))
        .collect()
}

fn allowed(package: &Package) -> Option<&'static [&'static str]> {
    if package.folder.starts_with(SAMPLE_FOLDER) {
        return Some(SAMPLE_ALLOWED);
    }
    ALLOWED
        .iter()
        .find(|(name, _)| *name == package.name)
        .map(|(_, allowed)| *allowed)
}

#[cfg(test)]
impl Package {
    pub(super) fn new(name: &str, folder: &str, dependencies: &[&str]) -> Self {
        let dependencies = dependencies.iter().map(|&name| name.to_owned()).collect();
        Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            dependencies,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_finds(packages: &[Package], expected: &[&str]) {
        let found: Vec<_> = check(packages).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_edge_of_the_architecture_passes() {
        let packages = [
            Package::new("palisade-bundle", "bundle", &["serde"]),
            Package::new("palisade-signer", "signer", &["palisade-bundle", "clap"]),
        ];
        check_finds(&packages, &[]);
    }

    #[test]
    fn the_bundle_crate_depends_on_nothing_here() {
        let packages = [
            Package::new("palisade-abi", "abi", &[]),
            Package::new("palisade-bundle", "bundle", &["palisade-abi", "serde"]),
        ];
        check_finds(
            &packages,
            &["bundle/Cargo.toml: `palisade-bundle` may not depend on `palisade-abi`"],
        );
    }

    #[test]
    fn nothing_depends_on_xtask_or_the_tests() {
        let packages = [
            Package::new("palisade", "runtime", &["xtask", "palisade-tests"]),
            Package::new("palisade-tests", "tests", &[]),
            Package::new("xtask", "xtask", &[]),
        ];
        check_finds(
            &packages,
            &[
                "runtime/Cargo.toml: `palisade` may not depend on `xtask`",
                "runtime/Cargo.toml: `palisade` may not depend on `palisade-tests`",
            ],
        );
    }

    #[test]
    fn a_sample_sees_the_sdk_alone() {
        let packages = [
            Package::new("palisade-abi", "abi", &[]),
            Package::new("palisade-sdk", "sdk", &["palisade-abi"]),
            Package::new("greeter", "sample-plugins/greeter", &["palisade-sdk", "palisade-abi"]),
        ];
        check_finds(
            &packages,
            &["sample-plugins/greeter/Cargo.toml: `greeter` may not depend on `palisade-abi`"],
        );
    }

    #[test]
    fn a_package_nobody_placed_is_found() {
        let expected = "novelty/Cargo.toml: package `novelty` has no row in xtask/src/tidy/dependencies.rs";
        check_finds(&[Package::new("novelty", "novelty", &[])], &[expected]);
    }
}
