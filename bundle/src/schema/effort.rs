//! How much work a schema can cause, computed before any is done.
//!
//! A few hundred bytes of schema can ask for more steps than there are atoms: definitions that each refer twice to
//! the next, or a recursive type whose branches overlap. Evaluating is not interruptible, so the bound comes first.
//! For a subschema `s` and a value of depth `d`,
//!
//! ```text
//! W(s, d) = own(s) + Σ W(same-value subschemas, d) + Σ over groups of the largest W(part subschemas, d − 1)
//! ```
//!
//! and evaluating `s` on a value takes at most `W(s, d) × size(value)` steps, because parts are disjoint and smaller.
//! `H` is the same with the maximum in place of the sum: how deeply evaluation nests.

use serde_json::Value;

use super::SchemaError;
use super::graph::{Graph, Subschema};

/// The most steps one check may take: a few tenths of a second. A schema of 100 keywords may still meet half a million
/// values.
pub const MAX_EVALUATION_STEPS: u64 = 50_000_000;

/// The deepest nesting of subschemas during a check. Evaluation recurses; a test shows that this fits the 2 MiB stack of
/// a thread in an unoptimised build.
pub const MAX_EVALUATION_DEPTH: u64 = 256;

/// The deepest value that is checked: the depth of JSON that plugins may be given.
pub const MAX_VALUE_DEPTH: usize = 32;

/// So many bytes of text count like one more value.
const TEXT_BYTES_PER_STEP: usize = 8;

/// Bounds for the root, by depth of the value.
#[derive(Debug)]
pub(super) struct Effort {
    by_depth: Vec<Bound>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bound {
    steps: u64,
    height: u64,
}

impl Effort {
    pub(super) fn of(graph: &Graph) -> Result<Self, SchemaError> {
        let order = graph.same_value_order()?;
        let mut previous = vec![Bound::default(); graph.nodes.len()];
        let mut by_depth = Vec::with_capacity(MAX_VALUE_DEPTH);
        for _ in 0..MAX_VALUE_DEPTH {
            let level = level(graph, &order, &previous);
            by_depth.push(level.first().copied().unwrap_or_default());
            previous = level;
        }
        Ok(Self { by_depth })
    }

    /// The most steps checking `value` takes, or in words what would have to be different.
    pub(super) fn steps_for(&self, value: &Value) -> Result<u64, String> {
        let Some((depth, size)) = measure(value) else {
            return Err(format!("at most {MAX_VALUE_DEPTH} levels of nesting"));
        };
        let bound = self.by_depth.get(depth.saturating_sub(1)).copied().unwrap_or_default();
        let steps = bound.steps.saturating_mul(size);
        if bound.height > MAX_EVALUATION_DEPTH || steps > MAX_EVALUATION_STEPS {
            return Err("a smaller value or a simpler schema: checking this one takes too many steps".to_owned());
        }
        Ok(steps)
    }
}

/// The bounds of all subschemas for values one level deeper than those of `previous`.
fn level(graph: &Graph, order: &[usize], previous: &[Bound]) -> Vec<Bound> {
    let mut level = vec![Bound::default(); graph.nodes.len()];
    for number in order {
        let Some(node) = graph.nodes.get(*number) else { continue };
        let bound = bound(node, &level, previous);
        if let Some(slot) = level.get_mut(*number) {
            *slot = bound;
        }
    }
    level
}

fn bound(node: &Subschema, level: &[Bound], previous: &[Bound]) -> Bound {
    let mut total = Bound {
        steps: node.own,
        height: 0,
    };
    for same in node.same.iter().filter_map(|number| level.get(*number)) {
        total.steps = total.steps.saturating_add(same.steps);
        total.height = total.height.max(same.height);
    }
    for group in &node.parts {
        let members = || group.iter().filter_map(|number| previous.get(*number));
        total.steps = total
            .steps
            .saturating_add(members().map(|part| part.steps).max().unwrap_or(0));
        total.height = total.height.max(members().map(|part| part.height).max().unwrap_or(0));
    }
    let times = if node.looks_again { 2 } else { 1 };
    Bound {
        steps: total.steps.saturating_mul(times),
        height: total.height.saturating_add(1),
    }
}

/// Depth and size of a value, or nothing when it is too deep. A scalar has depth 1.
fn measure(value: &Value) -> Option<(usize, u64)> {
    let (mut deepest, mut size) = (0, 0_u64);
    let mut left = vec![(value, 1)];
    while let Some((value, depth)) = left.pop() {
        if depth > MAX_VALUE_DEPTH {
            return None;
        }
        deepest = deepest.max(depth);
        let text_bytes = match value {
            Value::String(text) => text.len(),
            Value::Array(items) => {
                left.extend(items.iter().map(|item| (item, depth + 1)));
                0
            }
            Value::Object(members) => {
                left.extend(members.values().map(|member| (member, depth + 1)));
                members.keys().map(String::len).sum()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        };
        let text_steps = u64::try_from(text_bytes / TEXT_BYTES_PER_STEP).unwrap_or(u64::MAX);
        size = size.saturating_add(1).saturating_add(text_steps);
    }
    Some((deepest, size))
}
