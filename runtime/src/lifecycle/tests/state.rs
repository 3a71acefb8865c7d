//! The table of states, pair by pair, and sequences of operations against it.

use proptest::prelude::*;

use super::super::state::{Admission, Operation, State};

/// The rows of lifecycle.md, "Transitions", and its last one: any to failed.
const LEGAL: &[(&str, &str)] = &[
    ("installing", "installed"),
    ("installed", "loading"),
    ("disabled", "loading"),
    ("failed", "loading"),
    ("loading", "active"),
    ("active", "reloading"),
    ("reloading", "active"),
    ("active", "unloading"),
    ("failed", "unloading"),
    ("unloading", "disabled"),
    ("installed", "uninstalling"),
    ("disabled", "uninstalling"),
    ("failed", "uninstalling"),
];

#[test]
fn all_81_pairs_are_as_documented() {
    let mut pairs = 0;
    for from in State::ALL {
        for to in State::ALL {
            let legal = to == State::Failed || LEGAL.contains(&(from.as_str(), to.as_str()));
            assert_eq!(from.may_become(to), legal, "{from} to {to}");
            pairs += 1;
        }
    }
    assert_eq!(pairs, 81);
}

#[test]
fn a_refusal_lists_exactly_what_would_be_allowed() {
    for state in State::ALL {
        for operation in Operation::ALL {
            match operation.check(state) {
                Ok(()) => assert!(state.allowed().contains(&operation)),
                Err(refusal) => {
                    assert_eq!((refusal.from, refusal.operation), (state, operation.as_str()));
                    assert_eq!(refusal.allowed, state.allowed());
                    assert!(!refusal.allowed.contains(&operation));
                }
            }
        }
    }
    assert!(Operation::Enable.check(State::Active).is_err());
    assert!(Operation::Disable.check(State::Disabled).is_err());
}

#[test]
fn nothing_may_be_asked_of_a_plugin_that_is_between_two_states() {
    for state in [
        State::Installing,
        State::Loading,
        State::Reloading,
        State::Unloading,
        State::Uninstalling,
    ] {
        assert_eq!(state.allowed(), [], "{state}");
    }
}

#[test]
fn a_command_runs_waits_or_is_refused_as_documented() {
    let expected = [
        (State::Installing, Admission::Unavailable),
        (State::Installed, Admission::Invalid),
        (State::Loading, Admission::Unavailable),
        (State::Active, Admission::Run),
        (State::Reloading, Admission::Park),
        (State::Unloading, Admission::Unavailable),
        (State::Disabled, Admission::Invalid),
        (State::Failed, Admission::Invalid),
        (State::Uninstalling, Admission::Unavailable),
    ];
    assert_eq!(expected.map(|(state, _)| state), State::ALL);
    for (state, admission) in expected {
        assert_eq!(state.admission(), admission, "{state}");
    }
}

/// The states an operation goes through, given whether its work succeeds; `None` is a plugin that is gone.
fn path(operation: Operation, from: State, succeeds: bool) -> Vec<Option<State>> {
    use State::{Active, Disabled, Failed, Loading, Reloading, Uninstalling, Unloading};
    let start = [Some(Loading), Some(if succeeds { Active } else { Failed })];
    let stop = [Some(Unloading), Some(Disabled)];
    match (operation, from) {
        (Operation::Disable, _) => stop.into(),
        (Operation::Enable, _) => start.into(),
        (Operation::Restart, Active) => [stop, start].concat(),
        (Operation::Restart, _) | (Operation::Reload, Failed) => start.into(),
        (Operation::Uninstall, Active) => [stop.as_slice(), &[Some(Uninstalling), None]].concat(),
        (Operation::Uninstall, _) => vec![Some(Uninstalling), None],
        (Operation::Release, _) => Vec::new(),
        (_, Active) => vec![Some(Reloading), Some(Active)],
        // At rest the change is stored and nothing is started.
        (_, _) => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    /// 100,000 sequences. What a supervisor does with such sequences is compared with a model in the behaviour tests.
    #[test]
    fn no_sequence_of_allowed_operations_leaves_the_table(
        steps in prop::collection::vec((prop::sample::select(Operation::ALL.to_vec()), any::<bool>()), 20),
    ) {
        let mut state = State::Installed;
        for (operation, succeeds) in steps {
            let at_rest_or_active = [State::Installed, State::Active, State::Disabled, State::Failed];
            prop_assert!(at_rest_or_active.contains(&state));
            if operation.check(state).is_err() {
                continue;
            }
            for next in path(operation, state, succeeds) {
                let Some(next) = next else {
                    state = State::Installed;
                    break;
                };
                prop_assert!(state.may_become(next), "{operation}: {state} to {next}");
                state = next;
            }
        }
    }
}
