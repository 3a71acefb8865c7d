//! The example of a host application, as its reader would run it.

use std::fs;
use std::process::Command;

use palisade_tests::{key, palisade, sample, signed};
use serde_json::json;

#[test]
fn the_host_of_the_example_keeps_what_it_was_told_from_one_run_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (mut manifest, module) = sample("counter");
    manifest.as_object_mut().unwrap().extend(
        json!({"name": "Counter", "version": "1.0.0"})
            .as_object()
            .unwrap()
            .clone(),
    );
    fs::write(folder.path().join("counter.zip"), signed(&manifest, &module)).unwrap();
    fs::write(folder.path().join("me.pub"), key().public().to_pem()).unwrap();
    let run = || {
        let example = palisade().with_file_name("examples").join("host");
        let ended = Command::new(example)
            .current_dir(folder.path())
            .args(["data", "counter.zip", "me.pub", "add", "{\"amount\":2}"])
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap()
    };
    let first = run();
    assert!(first.starts_with("{\"value\":2}\n"), "{first}");
    let records = |printed: &str| {
        printed
            .lines()
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    // Install, enable. That the host ends and starts again is no operator's decision.
    let second = run();
    assert!(
        second.starts_with("{\"value\":2}\n"),
        "a new instance counts anew: {second}"
    );
    assert_eq!((records(&first), records(&second)), (2, 2), "{first}{second}");
}
