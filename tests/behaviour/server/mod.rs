//! `palisade serve` as a process: how it starts, what it withstands, what it is told by signals, how it ends.

#![cfg(all(test, target_os = "linux"))]

mod browser;
mod dashboard;
mod end;
mod flooded;
mod reload;
mod systemd;
mod tokens;
mod watch;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};

use reqwest::blocking::{Client, ClientBuilder, RequestBuilder, Response};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::cli::operate::Workshop;

/// A server that is killed when the test ends, however it does.
struct Served {
    child: Child,
    address: String,
    token: String,
    client: Client,
    /// The lines of standard error, as they come.
    lines: Mutex<Receiver<String>>,
    reading: Option<JoinHandle<()>>,
}

impl Served {
    /// A server of the workshop's data directory, on a port of its own.
    fn start(workshop: &Workshop, options: &[&str]) -> Self {
        Self::start_with(workshop, token(workshop, "all"), options)
    }

    /// Another server of the same data directory.
    fn start_again(workshop: &Workshop, token: &str) -> Self {
        Self::start_with(workshop, token.to_owned(), &[])
    }

    fn start_with(workshop: &Workshop, token: String, options: &[&str]) -> Self {
        let mut command = workshop.desk.command();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--json"])
            .args(options);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self::of(child.unwrap(), token)
    }

    /// A process that says where it listens.
    fn of(mut child: Child, token: String) -> Self {
        let (lines, reading) = read(child.stderr.take().unwrap());
        let mut told = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut told)
            .unwrap();
        let told: Value = serde_json::from_str(&told).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("it did not start: {:?}", lines.iter().collect::<Vec<_>>())
        });
        assert_eq!(told["pid"], json!(child.id()));
        Self {
            child,
            address: told["listening"].as_str().unwrap().to_owned(),
            token,
            client: client().build().unwrap(),
            lines: Mutex::new(lines),
            reading: Some(reading),
        }
    }

    /// Where it listens, without the scheme.
    fn socket(&self) -> &str {
        self.address.strip_prefix("http://").unwrap()
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client
            .get(format!("{}{path}", self.address))
            .bearer_auth(&self.token)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client
            .post(format!("{}{path}", self.address))
            .bearer_auth(&self.token)
    }

    /// The state of a plugin; nothing when it is not installed.
    fn state(&self, id: &str) -> Option<String> {
        let status = json_of(self.get("/plugins/status").send().unwrap());
        let state = &status["plugin_system"]["plugin_states"][id];
        state.as_str().map(str::to_owned)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The next line of standard error with these words in it.
    #[track_caller]
    fn says(&self, words: &str) -> String {
        let mut before = Vec::new();
        for line in self.lines.lock().unwrap().iter() {
            if line.contains(words) {
                return line;
            }
            before.push(line);
        }
        panic!("nothing said `{words}`, but {before:#?}")
    }

    /// What it said and nobody has heard yet, once it has ended.
    fn said(&self) -> Vec<String> {
        self.lines.lock().unwrap().iter().collect()
    }

    fn ended(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        if let Some(reading) = self.reading.take() {
            reading.join().unwrap();
        }
        status
    }

    /// Asks it to end, and waits for that.
    #[track_caller]
    fn end(mut self) {
        self.signal(Signal::TERM);
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "{:?}", self.said());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(stderr: ChildStderr) -> (Receiver<String>, JoinHandle<()>) {
    let (tell, lines) = mpsc::channel();
    let reading = thread::spawn(move || {
        for line in BufReader::new(stderr).lines() {
            // Nobody listens once the test has ended.
            let _ = tell.send(line.unwrap_or_default());
        }
    });
    (lines, reading)
}

fn client() -> ClientBuilder {
    // It may be there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(None)
}

fn json_of(answer: Response) -> Value {
    serde_json::from_str(&answer.text().unwrap()).unwrap()
}

/// A new token for everything.
fn token(workshop: &Workshop, name: &str) -> String {
    let created = workshop.run(&["token", "create", name, "--all-scopes", "--json"]);
    match created.stderr.is_empty() {
        true => created.exits(0).json()["token"].as_str().unwrap().to_owned(),
        false => panic!("{}", created.stderr),
    }
}

/// All that comes until the connection ends, whichever way.
fn rest(mut connection: impl Read) -> String {
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
