//! Manifests that the user can edit: what is wrong is shown in place.

use std::ops::Range;

use palisade_bundle::manifest::{ManifestFault, ManifestProblem};
use palisade_bundle::{Manifest, ManifestError};

use crate::excerpt::Excerpt;
use crate::failure::Failure;

/// Reads a manifest, which the user knows as `name`.
///
/// # Errors
///
/// When it breaks a rule; the failure shows every place.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Manifest, Failure> {
    Manifest::parse(bytes).map_err(|error| in_place(error, name, bytes))
}

/// Shows the places of `error` in the text it is about.
#[must_use]
pub fn in_place(error: ManifestError, name: &str, bytes: &[u8]) -> Failure {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return error.into();
    };
    let marks = error
        .problems()
        .map(|problem| (place_of(problem, text), label_of(problem)));
    let title = match error.problems().count() {
        1 => "the manifest breaks a rule".to_owned(),
        rules => format!("the manifest breaks {rules} rules"),
    };
    let excerpt = Excerpt::new(&title, name, text, marks);
    Failure::from(error).with_excerpt(Some(excerpt))
}

/// What is missing is missing in a whole object, of which the first brace says enough.
fn place_of(problem: &ManifestProblem, text: &str) -> Range<usize> {
    let Range { start, end } = problem.location.span;
    match problem.fault {
        ManifestFault::MissingKey { .. } => start..start.saturating_add(1),
        _ => start..end.min(text.len()),
    }
}

fn label_of(problem: &ManifestProblem) -> String {
    let expected = format!("expected {}", problem.expected());
    match problem.suggestion() {
        Some(suggestion) => format!("{expected}; did you mean `{suggestion}`?"),
        None => expected,
    }
}
