//! Random sequences of operations on a supervisor, against a model of a dozen lines.

use palisade::{Code, Coded, DisableOptions, InstallOptions, PluginData, State, UpgradeOptions};
use palisade_tests::{Guest, release};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{House, ID, on_one_thread};

/// Versions that can be gone back to.
const KEPT: usize = 5;

#[derive(Clone, Copy, Debug)]
enum Step {
    Install,
    Enable,
    Disable,
    Restart,
    Reload,
    Configure(u8),
    Upgrade,
    /// To a version that does not start.
    Spoil,
    Rollback,
    Uninstall,
    Call,
}

/// A plugin as it should be.
#[derive(Clone, Debug)]
struct Expected {
    state: State,
    /// The active one is the last.
    versions: Vec<Version>,
}

#[derive(Clone, Debug)]
struct Version {
    number: u64,
    starts: bool,
    config: Option<u8>,
}

/// What is there, and the number of the next version.
#[derive(Debug, Default)]
struct Model {
    plugin: Option<Expected>,
    next: u64,
}

impl Model {
    /// Takes a step; answers with what a supervisor has to answer.
    fn take(&mut self, step: Step) -> Result<(), Code> {
        let next = self.next;
        let Some(plugin) = &mut self.plugin else {
            let Step::Install = step else {
                return Err(Code::NotFound);
            };
            let first = Version {
                number: next,
                starts: true,
                config: None,
            };
            self.plugin = Some(Expected {
                state: State::Installed,
                versions: vec![first],
            });
            return Ok(());
        };
        plugin.refuses(step)?;
        let current = plugin.versions.last_mut().unwrap();
        match step {
            Step::Install | Step::Call => {}
            Step::Enable | Step::Restart | Step::Reload if current.starts => plugin.state = State::Active,
            Step::Enable | Step::Restart | Step::Reload => {
                plugin.state = State::Failed;
                return Err(Code::GuestTrap);
            }
            Step::Disable => plugin.state = State::Disabled,
            Step::Configure(value) => current.config = Some(value),
            Step::Upgrade | Step::Spoil => {
                let newer = Version {
                    number: next,
                    starts: matches!(step, Step::Upgrade),
                    config: current.config,
                };
                plugin.versions.push(newer);
                let surplus = plugin.versions.len().saturating_sub(KEPT + 1);
                plugin.versions.drain(..surplus);
            }
            Step::Rollback => {
                plugin.versions.pop();
            }
            Step::Uninstall => self.plugin = None,
        }
        Ok(())
    }
}

impl Expected {
    /// What changes nothing, and the word for it.
    fn refuses(&self, step: Step) -> Result<(), Code> {
        let is_active = self.state == State::Active;
        let was_stopped = matches!(self.state, State::Installed | State::Disabled);
        let previous = self.versions.iter().rev().nth(1);
        match step {
            Step::Install => Err(Code::AlreadyInstalled),
            Step::Enable if is_active => Err(Code::InvalidState),
            Step::Disable | Step::Reload if was_stopped => Err(Code::InvalidState),
            Step::Call if !is_active => Err(Code::InvalidState),
            Step::Rollback if previous.is_none() => Err(Code::NoRollbackVersion),
            Step::Rollback if is_active && !previous.unwrap().starts => Err(Code::ReloadFailed),
            Step::Spoil if is_active => Err(Code::ReloadFailed),
            _ => Ok(()),
        }
    }
}

fn guest(number: u64, starts: bool) -> Vec<u8> {
    let guest = Guest {
        init: if starts { "i64.const 0" } else { "unreachable" },
        manifest: json!({"version": format!("1.0.{number}")}),
        ..Guest::default()
    };
    release(&guest.manifest, &guest.wasm(), number)
}

fn config(value: u8) -> Map<String, Value> {
    Map::from_iter([("value".to_owned(), json!(value))])
}

async fn take(house: &House, step: Step, number: u64) -> Result<(), Code> {
    let supervisor = &house.supervisor;
    let upgrade = |starts| supervisor.upgrade(ID, guest(number, starts), UpgradeOptions::default());
    let done = match step {
        Step::Install => {
            let installed = supervisor.install(guest(number, true), InstallOptions::default()).await;
            return installed.map(drop).map_err(|error| error.code());
        }
        Step::Call => {
            let output = supervisor.call(ID, "echo", b"hello").await;
            return output
                .map(|output| assert_eq!(output.bytes(), b"hello"))
                .map_err(|error| error.code());
        }
        Step::Enable => supervisor.enable(ID).await.map(drop),
        Step::Disable => supervisor.disable(ID, DisableOptions::default()).await.map(drop),
        Step::Restart => supervisor.restart(ID).await.map(drop),
        Step::Reload => supervisor.reload(ID).await.map(drop),
        Step::Configure(value) => supervisor.update_config(ID, config(value)).await.map(drop),
        Step::Upgrade => upgrade(true).await.map(drop),
        Step::Spoil => upgrade(false).await.map(drop),
        Step::Rollback => supervisor.rollback(ID).await.map(drop),
        Step::Uninstall => supervisor.uninstall(ID, PluginData::Archive).await.map(drop),
    };
    done.map_err(|error| error.code())
}

fn check(house: &House, model: &Model) {
    let Some(expected) = &model.plugin else {
        assert!(house.supervisor.list().is_empty());
        assert_eq!(house.files(), []);
        return;
    };
    let (status, current) = (house.supervisor.status(ID).unwrap(), expected.versions.last().unwrap());
    let version = format!("1.0.{}", current.number);
    assert_eq!((status.state, status.version), (expected.state, version));
    assert_eq!(house.supervisor.config(ID).unwrap(), current.config.map(config));
    let kept = status.versions.iter().map(|kept| kept.version.clone());
    let versions = expected
        .versions
        .iter()
        .map(|version| format!("1.0.{}", version.number));
    assert!(kept.eq(versions), "{:?} {expected:?}", status.versions);
    assert_eq!(status.operation, None);
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Install),
        3 => Just(Step::Enable),
        1 => Just(Step::Disable),
        1 => Just(Step::Restart),
        1 => Just(Step::Reload),
        1 => any::<u8>().prop_map(Step::Configure),
        3 => Just(Step::Upgrade),
        1 => Just(Step::Spoil),
        2 => Just(Step::Rollback),
        1 => Just(Step::Uninstall),
        1 => Just(Step::Call),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_supervisor_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..25)) {
        on_one_thread(async {
            let (house, mut model) = (House::new(), Model::default());
            for (number, step) in (1..).zip(&steps) {
                model.next = number;
                let expected = model.take(*step);
                assert_eq!(take(&house, *step, number).await, expected, "{step:?} of {steps:?}");
                check(&house, &model);
            }
        });
    }
}
