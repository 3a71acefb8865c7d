//! The process that does the operation, and how it is told to go on.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::Run;
use super::house::{House, Operation, on_one_thread};

/// Names the operation, the data directory and the cache to the process that is going to suffer, a line each.
const SUFFERER: &str = "PALISADE_TEST_SUFFERER";

/// Begins what it says, among what the test runner says.
const SAYS: &str = "sufferer: ";

/// Ends what it says of its plugin and begins what it says of its state record.
const RECORD: &str = ", and left ";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Succeeded,
    /// With this stable word.
    Failed(String),
    Killed,
}

/// A process that stands before the operation.
pub(super) struct Driver {
    child: Child,
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    /// What it said last of its plugin.
    holds: String,
}

impl Driver {
    pub(super) fn start(run: &Run) -> Self {
        let (data, compiled) = (run.data(), &run.compiled);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", run.operation.test(), "--nocapture", "--test-threads=1"])
            .env(
                SUFFERER,
                format!("{:?}\n{}\n{}", run.operation, data.display(), compiled.display()),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut driver = Self {
            orders: child.stdin.take().unwrap(),
            said: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
            holds: String::new(),
        };
        driver.holds = driver.hear().unwrap();
        driver
    }

    /// What it says of its plugin before the operation.
    pub(super) fn holds(&self) -> String {
        self.holds.clone()
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its threads by number.
    pub(super) fn threads(&self) -> BTreeMap<u32, String> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        let named = threads.filter_map(|thread| {
            let path = thread.unwrap().path();
            // One that ends meanwhile has no name any more.
            let name = fs::read_to_string(path.join("comm")).ok()?;
            let id = path.file_name()?.to_str()?.parse().unwrap();
            Some((id, name.trim().to_owned()))
        });
        named.collect()
    }

    #[track_caller]
    pub(super) fn thread(&self, name: &str) -> u32 {
        let threads = self.threads();
        let mut found = threads.iter().filter(|(_, thread)| *thread == name);
        match (found.next(), found.next()) {
            (Some((id, _)), None) => *id,
            _ => panic!("which thread is {name}? {threads:?}"),
        }
    }

    pub(super) fn operate(&mut self) -> Outcome {
        self.order("operate");
        match self.hear().as_deref() {
            None => {
                self.child.wait().unwrap();
                Outcome::Killed
            }
            Some("ok") => Outcome::Succeeded,
            Some(code) => Outcome::Failed(code.to_owned()),
        }
    }

    /// What it says of its plugin.
    pub(super) fn look(&mut self) -> String {
        self.order("look");
        self.hear().unwrap()
    }

    /// It ends in order.
    pub(super) fn end(mut self) {
        self.order("end");
        assert_eq!(self.hear(), None);
        assert!(self.child.wait().unwrap().success());
    }

    /// It ends as it stands.
    pub(super) fn abandon(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
    }

    /// Nothing, when it is over.
    fn hear(&mut self) -> Option<String> {
        self.said
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once(SAYS).map(|(_, said)| said.to_owned()))
    }
}

impl Operation {
    /// The test that is the other end of this.
    fn test(self) -> &'static str {
        match self {
            Self::Install => {
                "faults::an_install_at_each_of_whose_writes_the_disk_fails_or_the_host_dies_leaves_all_or_nothing"
            }
            Self::Upgrade => {
                "faults::an_upgrade_at_each_of_whose_writes_the_disk_fails_or_the_host_dies_leaves_one_whole_version"
            }
            Self::UpdateConfig => {
                "faults::a_config_update_at_each_of_whose_writes_the_disk_fails_or_the_host_dies_leaves_one_configuration"
            }
            Self::Rollback => {
                "faults::a_rollback_at_each_of_whose_writes_the_disk_fails_or_the_host_dies_leaves_one_whole_version"
            }
            Self::Uninstall => {
                "faults::an_uninstall_at_each_of_whose_writes_the_disk_fails_or_the_host_dies_keeps_the_plugin_or_its_data"
            }
        }
    }
}

/// Is that process, if this is one.
pub(super) fn is_asked_for(operation: Operation) -> bool {
    let Ok(asked) = std::env::var(SUFFERER) else {
        return false;
    };
    let [_, data, compiled] = asked.lines().collect::<Vec<_>>().try_into().unwrap();
    on_one_thread(suffer(operation, Path::new(data), Path::new(compiled)));
    true
}

async fn suffer(operation: Operation, data: &Path, compiled: &Path) {
    // Whoever traces this process is a child of the same parent, and not its parent, which some systems ask for.
    let _ = rustix::process::set_ptracer(rustix::process::PTracer::Any);
    let house = House::open(data, compiled);
    assert!(house.supervisor.start().await.is_empty());
    // So that the thread is there.
    tokio::task::spawn_blocking(|| ()).await.unwrap();
    say(&house.look().await);
    for order in std::io::stdin().lines() {
        match order.unwrap().as_str() {
            "operate" => match operation.run(&house).await {
                Ok(()) => say("ok"),
                Err(code) => say(&code),
            },
            "look" => say(&house.look().await),
            _ => break,
        }
    }
    house.close().await;
}

fn say(what: &str) {
    println!("\n{SAYS}{what}");
}

impl House {
    async fn look(&self) -> String {
        format!("{}{RECORD}{:?}", self.answer().await, self.record().await)
    }
}
