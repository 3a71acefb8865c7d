//! `logs`, `events`, `top`, while another process has the data directory: this one.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Arc;

use palisade::{
    DisableOptions, HostServices, InstallOptions, Journal, MemoryAudit, Runtime, Supervisor, SupervisorSettings,
    SystemClock,
};
use palisade_tests::{Guest, release, trust};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::Desk;

/// Says its arguments in its log, and traps when there are none.
const PARROT: &str = r#"
    (if (i32.eqz (local.get $len)) (then unreachable))
    (call $log (i32.const 2) (local.get $args) (local.get $len))
    (call $log (i32.const 4) (i32.const 64) (i32.const 10))
    i64.const 0"#;

/// A host that holds the data directory `data` of a desk.
struct Host {
    supervisor: Supervisor,
    journal: Journal,
}

impl Host {
    fn open(desk: &Desk) -> Self {
        let folder = desk.path("data");
        let journal = Journal::open(&folder, Arc::new(SystemClock)).unwrap();
        let services = HostServices {
            log: journal.logs(),
            events: journal.events(),
            ..HostServices::default()
        };
        let runtime = Runtime::builder().services(services).build().unwrap();
        let settings = SupervisorSettings::new(Handle::current(), Arc::new(MemoryAudit::new()));
        let supervisor = Supervisor::open(folder, runtime, trust(), settings).unwrap();
        Self { supervisor, journal }
    }

    async fn run(&self, id: &str) {
        let guest = Guest {
            manifest: json!({"id": id}),
            imports: r#"(import "palisade_v1" "log" (func $log (param i32 i32 i32)))"#,
            extra: r#"(data (i32.const 64) "bad \1b[31m!")"#,
            command: PARROT,
            ..Guest::default()
        };
        let bundle = release(&guest.manifest, &guest.wasm(), 1);
        self.supervisor
            .install(bundle, InstallOptions::default())
            .await
            .unwrap();
        self.supervisor.enable(id).await.unwrap();
    }

    async fn say(&self, id: &str, words: &str) {
        let _ = self.supervisor.call(id, "say", words.as_bytes()).await;
        self.journal.flush();
    }
}

fn with_host<F: Future<Output = ()>>(test: impl FnOnce(Desk) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    runtime.unwrap().block_on(test(Desk::new()));
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A command that goes on until it is dropped.
struct Following {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Following {
    fn start(desk: &Desk, arguments: &[&str]) -> Self {
        let mut command = desk.command();
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn logs_shows_what_a_plugin_said_and_nothing_a_terminal_would_obey() {
    with_host(|desk| async move {
        let host = Host::open(&desk);
        host.run("com.acme.parrot").await;
        host.say("com.acme.parrot", "hello").await;
        let logs = ["logs", "com.acme.parrot", "--data-dir", "data"];
        let text = desk.run(logs).exits(0).text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].ends_with(" info com.acme.parrot 1.0.0 hello"), "{text}");
        assert!(
            lines[1].ends_with(r"error com.acme.parrot 1.0.0 bad \u{1b}[31m!"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));

        let errors = desk
            .run(logs.iter().chain(&["--level", "error", "--json"]))
            .exits(0)
            .text();
        let errors = json_lines(&errors);
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0]["source"], "log");
        assert_eq!(errors[0]["version"], "1.0.0");
        let one = desk
            .run(logs.iter().chain(&["--lines", "1", "--level", "info"]))
            .exits(0)
            .text();
        assert_eq!(one.lines().count(), 1);
        assert!(
            desk.run(logs.iter().chain(&["--lines", "0"]))
                .exits(0)
                .text()
                .is_empty()
        );
    });
}

#[test]
fn logs_follows_what_is_said_from_now_on() {
    with_host(|desk| async move {
        let host = Host::open(&desk);
        host.run("com.acme.parrot").await;
        host.say("com.acme.parrot", "before").await;
        let logs = [
            "logs",
            "com.acme.parrot",
            "--data-dir",
            "data",
            "-f",
            "--level",
            "info",
            "--lines",
            "3",
        ];
        let mut following = Following::start(&desk, &logs);
        let mut other = Following::start(&desk, &logs);
        assert!(following.next().ends_with(" before"));
        host.say("com.acme.parrot", "after").await;
        for reader in [&mut following, &mut other] {
            let lines = std::iter::from_fn(|| Some(reader.next()));
            let heard: Vec<_> = lines.take_while(|line| !line.ends_with(" after")).collect();
            assert!(heard.len() <= 3, "{heard:?}");
        }
    });
}

#[test]
fn what_is_not_there_is_said_and_not_waited_for() {
    with_host(|desk| async move {
        let problem = desk
            .run(["logs", "a.b", "--data-dir", "data", "--json"])
            .exits(3)
            .problem();
        assert_eq!(problem["details"]["kind"], "folder");
        desk.run(["events", "--data-dir", "data"]).exits(3);
        desk.run(["top", "--data-dir", "data"]).exits(3);
        desk.run(["logs", "../up", "--data-dir", "data"]).exits(2);
        let host = Host::open(&desk);
        host.run("com.acme.quiet").await;
        host.journal.flush();
        let quiet = desk.run(["logs", "com.acme.quiet", "--data-dir", "data"]).exits(0);
        assert!(quiet.stdout.is_empty());
        let unknown = ["logs", "com.acme.quite", "-f", "--data-dir", "data", "--json"];
        assert_eq!(
            desk.run(unknown).exits(3).problem()["details"]["suggestion"],
            "com.acme.quiet"
        );
    });
}

#[test]
fn events_tells_the_life_of_a_plugin_and_can_be_narrowed_down() {
    with_host(|desk| async move {
        let host = Host::open(&desk);
        for id in ["com.acme.one", "com.acme.two"] {
            host.run(id).await;
            host.say(id, "hello").await;
        }
        host.supervisor
            .disable("com.acme.two", DisableOptions::default())
            .await
            .unwrap();
        host.journal.flush();
        let events = |more: &[&str]| {
            let line: Vec<_> = ["events", "--data-dir", "data", "--json"]
                .iter()
                .chain(more)
                .copied()
                .collect();
            json_lines(&desk.run(line).exits(0).text())
        };
        let names = |events: &[Value]| -> Vec<String> {
            let kind = |event: &Value| event["event"].as_str().unwrap().replace("plugin:", "");
            let names = events.iter().map(kind);
            names.filter(|name| name != "state:changed").collect()
        };
        let all = events(&["--plugin", "com.acme.two"]);
        let life = [
            "installing",
            "installed",
            "enabling",
            "enabled",
            "executed",
            "disabling",
            "disabled",
        ];
        assert_eq!(names(&all), life);
        assert!(
            all.iter()
                .all(|event| event["seq"].is_u64() && event["event_id"].is_string())
        );
        assert_eq!(
            names(&events(&["--type", "executed", "--type", "plugin:disabled"])),
            ["executed", "executed", "disabled"]
        );
        assert_eq!(events(&["--since", "1h"]).len(), events(&[]).len());
        assert!(events(&["--since", "2100-01-01"]).is_empty());
        assert_eq!(events(&["--lines", "2"]).len(), 2);
        let text = desk
            .run(["events", "--data-dir", "data", "--type", "executed"])
            .exits(0)
            .text();
        assert!(text.contains(" com.acme.one 1.0.0 #"), "{text}");
        assert!(text.contains(" executed command=say "), "{text}");

        let mut following = Following::start(
            &desk,
            &[
                "events",
                "-f",
                "--lines",
                "0",
                "--data-dir",
                "data",
                "--type",
                "enabled",
            ],
        );
        host.supervisor.enable("com.acme.two").await.unwrap();
        host.journal.flush();
        assert!(following.next().ends_with(" enabled"));
    });
}

#[test]
fn a_reader_that_goes_away_ends_what_follows_quietly() {
    with_host(|desk| async move {
        let host = Host::open(&desk);
        host.run("com.acme.parrot").await;
        host.say("com.acme.parrot", "before").await;
        let mut command = desk.command();
        command
            .args(["logs", "com.acme.parrot", "-f", "--data-dir", "data"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        drop(stdout);
        // It notices with the next line that it cannot write.
        let ended = loop {
            host.say("com.acme.parrot", "again").await;
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(ended.code(), Some(141));
        let output = child.wait_with_output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_what_follows_quietly() {
    use std::os::unix::process::ExitStatusExt;
    with_host(|desk| async move {
        let host = Host::open(&desk);
        host.run("com.acme.parrot").await;
        host.say("com.acme.parrot", "before").await;
        let mut following = Following::start(&desk, &["logs", "com.acme.parrot", "-f", "--data-dir", "data"]);
        following.next();
        let mut interrupt = std::process::Command::new("kill");
        interrupt.args(["-INT", &following.child.id().to_string()]);
        assert!(interrupt.status().unwrap().success());
        // Shells call that 130.
        assert_eq!(following.child.wait().unwrap().signal(), Some(2));
    });
}

#[test]
fn top_counts_the_last_minute() {
    with_host(|desk| async move {
        let host = Host::open(&desk);
        host.run("com.acme.parrot").await;
        host.run("com.acme.quiet").await;
        for words in ["one", "two", "three", ""] {
            host.say("com.acme.parrot", words).await;
        }
        let answer = desk.run(["top", "--data-dir", "data", "--json"]).exits(0).json();
        let plugins = answer["plugins"].as_array().unwrap();
        assert_eq!(plugins[0]["id"], "com.acme.parrot");
        assert_eq!(plugins[0]["calls"], 4);
        assert_eq!(plugins[0]["failures"], 1);
        assert_eq!(plugins[0]["state"], "active");
        assert!(plugins[0]["fuel_per_s"].as_f64().unwrap() > 0.0);
        assert_eq!(plugins[1]["calls"], 0);
        assert_eq!(plugins[1]["p50_ms"], Value::Null);
        let text = desk.run(["top", "--once", "--data-dir", "data"]).exits(0).text();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(!text.contains('\u{1b}'));
    });
}

#[test]
fn the_data_directory_has_a_default_and_a_variable() {
    with_host(|desk| async move {
        let host = Host::open(&desk);
        host.run("com.acme.parrot").await;
        host.journal.flush();
        let ends = |name: &str, value: std::path::PathBuf| {
            let mut command = desk.command();
            command.args(["events", "--json"]).env(name, value);
            super::Ended::of(command, b"")
        };
        assert!(!ends("PALISADE_DATA_DIR", desk.path("data")).exits(0).stdout.is_empty());
        std::fs::create_dir(desk.path("share")).unwrap();
        std::os::unix::fs::symlink(desk.path("data"), desk.path("share/palisade")).unwrap();
        assert!(!ends("XDG_DATA_HOME", desk.path("share")).exits(0).stdout.is_empty());
        ends("XDG_DATA_HOME", desk.path("elsewhere")).exits(3);
    });
}
