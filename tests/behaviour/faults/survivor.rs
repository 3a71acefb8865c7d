//! What is left when the process is over, as the next one finds it.

use std::fs;

use palisade::{AuditFilter, AuditOutcome, Digest, MAX_AUDIT_PAGE};

use super::house::{House, Operation};
use super::{Run, Scene};

/// What the process said of the operation before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    Failed,
    /// At the latest of its retry.
    Succeeded,
}

/// Everything that has to hold, whatever happened.
pub(super) async fn check(scene: &Scene, run: &Run, told: Told) {
    let house = run.house();
    house.audit.verify().unwrap();
    assert!(house.supervisor.list().len() <= 1);
    for entry in fs::read_dir(run.data().join("bundles")).unwrap().map(Result::unwrap) {
        let bytes = fs::read(entry.path()).unwrap();
        assert_eq!(
            entry.file_name().to_str().unwrap(),
            format!("{}.zip", Digest::of(&bytes))
        );
    }
    let kept = house.record().await;
    let failed = house.supervisor.start().await;
    assert!(failed.is_empty(), "{failed:?}");
    let answer = house.answer().await;
    let is_new = scene.after.starts_with(&format!("{answer}, "));
    match told {
        Told::Nothing => {}
        Told::Failed => assert!(!is_new, "what was refused is done: {answer}"),
        Told::Succeeded => {
            assert!(is_new, "what was acknowledged is lost: {answer}");
            check_recorded(&house, scene.operation);
        }
    }
    let state = house.started_with().await.or(kept);
    check_version(scene, run, (&answer, state), is_new);
    check_ratchet(&house, scene.operation, is_new).await;
    if !is_new {
        scene.operation.run(&house).await.unwrap();
        let answer = house.answer().await;
        assert!(scene.after.starts_with(&format!("{answer}, ")), "{answer}");
    }
    house.close().await;
}

/// The plugin is the old one or the new one, and so is its state record.
fn check_version(scene: &Scene, run: &Run, (answer, state): (&str, Option<String>), is_new: bool) {
    if is_new {
        return;
    }
    let is_old = scene.before.starts_with(&format!("{answer}, "));
    let left = format!(" {state:?}");
    match scene.operation {
        Operation::Uninstall => {
            assert!(is_old || answer.contains(" 1.0.0 "), "{answer}");
            let archives = fs::read_dir(run.data().join("archives")).unwrap().count();
            assert!(state.is_some() || archives > 0, "its data is gone");
        }
        Operation::Install => {
            assert!(is_old, "{answer}");
            assert_eq!(run.files(), scene.files());
        }
        _ => {
            assert!(is_old, "{answer}");
            assert!(scene.before.ends_with(&left), "the state is another version's: {left}");
        }
    }
}

fn check_recorded(house: &House, operation: Operation) {
    let filter = AuditFilter::default();
    let page = house.audit.records(1, MAX_AUDIT_PAGE, &filter).unwrap();
    let last = page.records.iter().rfind(|record| record.action == operation.action());
    assert_eq!(last.unwrap().outcome, AuditOutcome::Succeeded);
}

/// An older release than the newest one seen is refused, whether the plugin is there or not.
async fn check_ratchet(house: &House, operation: Operation, is_new: bool) {
    let (before, after) = operation.seen();
    let older = if is_new { after } else { before } - 1;
    let refused = match house.supervisor.list().is_empty() {
        true => house.install("0.9.0", older).await,
        false => house.upgrade("0.9.0", older).await,
    };
    assert_eq!(refused, Err("DOWNGRADE_REFUSED".to_owned()));
}
