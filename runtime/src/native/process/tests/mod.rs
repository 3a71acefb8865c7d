//! Processes as services: `start` how they begin, `stop` how they end, `output` what they get and say.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use palisade_bundle::{Code, Coded};
use pollster::block_on;
use rustix::process::{Pid, test_kill_process};

use super::*;
use crate::native::testing::poll_once;
use crate::native::{LogRing, ProbeFailure, Readiness};
use crate::services::{LogSink, ManualClock, SystemClock};

mod output;
mod start;
mod stop;

/// A host with a log and a clock that stands still, and its services.
struct Host {
    log: Arc<LogRing>,
    clock: Arc<ManualClock>,
    resources: Arc<ResourceTracker>,
    services: HostServices,
}

impl Host {
    fn new() -> Self {
        Self::with(Arc::new(ManualClock::new()))
    }

    /// A host on which time flies.
    fn hasty() -> Self {
        Self::with(Arc::new(ManualClock::stepping(Duration::from_secs(3600))))
    }

    fn with(clock: Arc<ManualClock>) -> Self {
        let log = Arc::new(LogRing::new());
        let services = HostServices {
            log: Arc::clone(&log) as Arc<dyn LogSink>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ..HostServices::default()
        };
        Self {
            log,
            clock,
            resources: Arc::new(ResourceTracker::new()),
            services,
        }
    }

    fn service(&self, command: ProcessCommand) -> ProcessService {
        ProcessService::new("test", command, &self.services).resources(Arc::clone(&self.resources))
    }

    fn lines(&self) -> Vec<String> {
        self.log.tail("test").into_iter().map(|line| line.text).collect()
    }

    /// Waits for a line that begins like this, and says what follows.
    fn wait_for(&self, start: &str) -> String {
        loop {
            let found = self
                .lines()
                .iter()
                .find_map(|line| line.strip_prefix(start).map(str::to_owned));
            match found {
                Some(rest) => return rest,
                None => thread::yield_now(),
            }
        }
    }

    fn wait_for_pid(&self) -> Pid {
        Pid::from_raw(self.wait_for("pid ").parse().unwrap()).unwrap()
    }

    fn nothing_is_taken(&self) -> bool {
        ["process", "port"].iter().all(|kind| self.resources.in_use(kind) == 0)
    }
}

fn sh(script: &str) -> ProcessCommand {
    ProcessCommand::new("/bin/sh").args(["-c", script])
}

/// Runs a Python program.
fn python(program: &str) -> ProcessCommand {
    sh("exec python3 -u -c \"$PROGRAM\"")
        .variable("PROGRAM", program)
        .variable("PATH", "/usr/local/bin:/usr/bin:/bin")
}

/// An HTTP server whose `/health` answers with each of these in turn, and with the last of them from then on.
fn server(port: u16, answers: &[(u16, &str)]) -> ProcessCommand {
    let mut program = format!("PORT = {port}\nANSWERS = [");
    for (status, body) in answers {
        write!(program, "({status}, b'{body}'),").unwrap();
    }
    program.push_str(
        "]
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = ANSWERS[0] if len(ANSWERS) == 1 else ANSWERS.pop(0)
        self.send_response(status if self.path == '/health' else 404)
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(('127.0.0.1', PORT), Handler).serve_forever()
",
    );
    python(&program).ready_when(Readiness::http(port, "/health", Some("OK")).unwrap())
}

/// A port that is free, and that no other test gets: below those that systems give to whoever asks for any, so that
/// neither a listener nor a connection of somebody else takes it before the service does.
fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 10_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Test programs that run at the same time begin at different places.
        let place = std::process::id()
            .wrapping_mul(97)
            .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + place % COUNT).unwrap();
        if check_free(port).is_ok() {
            return port;
        }
    }
}

/// Whether there is a process of this number that runs, or whose status nobody took.
fn exists(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}

fn wait_until_gone(pid: Pid) {
    while exists(pid) {
        thread::yield_now();
    }
}

#[track_caller]
fn fault(error: PluginLifecycleError) -> ServiceFault {
    match error {
        PluginLifecycleError::StartFailed { fault, .. }
        | PluginLifecycleError::StopFailed { fault, .. }
        | PluginLifecycleError::HealthCheckFailed { fault, .. } => fault,
        other => panic!("{other}"),
    }
}
