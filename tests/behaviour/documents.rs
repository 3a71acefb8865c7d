//! Pages that are written by hand say what the code does.

use std::fs;
use std::path::Path;

use palisade::Manifest;

fn page(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

#[test]
fn the_manifest_on_its_page_is_one() {
    let page = page("docs/manifest.md");
    let (_, rest) = page.split_once("```json\n").unwrap();
    let (manifest, _) = rest.split_once("```").unwrap();
    Manifest::parse(manifest.as_bytes()).unwrap();
}

#[test]
fn every_member_of_the_manifest_is_on_its_page() {
    let page = page("docs/manifest.md");
    let schema = Manifest::schema();
    let members = schema["properties"].as_object().unwrap();
    assert!(members.len() > 20, "{members:?}");
    let is_an_alias = |member: &str| member.contains(char::is_uppercase);
    for member in members
        .keys()
        .filter(|member| *member != "$schema" && !is_an_alias(member))
    {
        assert!(
            page.contains(&format!("`{member}`")),
            "docs/manifest.md does not name `{member}`"
        );
    }
}
