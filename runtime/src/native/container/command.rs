//! Which container to run, and how to tell that it runs: [`ContainerCommand`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use testcontainers::core::IntoContainerPort;
use testcontainers::core::logs::LogFrame;
use testcontainers::{ContainerRequest, GenericImage, ImageExt};

use crate::native::ImageName;
use crate::native::lines::{Lines, Output};
use crate::native::readiness::Readiness;

/// Time to be created and started, the download of its image included: a gigabyte over a slow line.
const START_WITHIN: Duration = Duration::from_secs(300);

/// Time to become ready after that, as a process has.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Time to end after having been asked to, as a process has.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Where its ports can be reached: on this machine, and from nowhere else.
const HOST: &str = "127.0.0.1";

/// Which container to run as a service.
///
/// Unless said otherwise it gets the arguments and the environment of its image, 300 s to start, 30 s to become ready,
/// which it is as soon as it runs, and 5 s to end.
#[derive(Clone)]
pub struct ContainerCommand {
    image: ImageName,
    args: Vec<String>,
    variables: Vec<(String, String)>,
    /// Of this machine, to those of the container.
    ports: BTreeMap<u16, u16>,
    pub(super) readiness: Readiness,
    pub(super) start_within: Duration,
    pub(super) ready_within: Duration,
    pub(super) stop_within: Duration,
}

impl ContainerCommand {
    /// Runs an image, which the engine downloads where it has none.
    #[must_use]
    pub fn new(image: ImageName) -> Self {
        Self {
            image,
            args: Vec::new(),
            variables: Vec::new(),
            ports: BTreeMap::new(),
            readiness: Readiness::running(),
            start_within: START_WITHIN,
            ready_within: READY_WITHIN,
            stop_within: STOP_WITHIN,
        }
    }

    /// Adds arguments, which replace those of the image.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Makes a TCP port of the container one of 127.0.0.1. The start is refused while somebody else listens there, and the
    /// port of this machine is in the handle's metadata.
    #[must_use]
    pub fn port(mut self, host: u16, container: u16) -> Self {
        self.ports.insert(host, container);
        self
    }

    /// Says how it shows that it is ready; the port it is asked on is one of this machine. Health checks ask the same.
    ///
    /// An engine may take connections for a container that does not listen yet: [`Readiness::http`] is surer than
    /// [`Readiness::tcp`].
    #[must_use]
    pub fn ready_when(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// Sets how long the engine may take to start it, the download of its image included.
    #[must_use]
    pub fn start_within(mut self, time: Duration) -> Self {
        self.start_within = time;
        self
    }

    /// Sets how long it may take to become ready once it was started.
    #[must_use]
    pub fn ready_within(mut self, time: Duration) -> Self {
        self.ready_within = time;
        self
    }

    /// Sets how long it may take to end after it was asked to, in whole seconds; what is left of it then is killed.
    #[must_use]
    pub fn stop_within(mut self, time: Duration) -> Self {
        self.stop_within = time;
        self
    }

    /// The ports of this machine that it takes.
    pub(super) fn host_ports(&self) -> impl ExactSizeIterator<Item = u16> + '_ {
        self.ports.keys().copied()
    }

    /// The same in the words of the library. It asks for nothing to be waited for: readiness is ours to ask.
    pub(super) fn to_request(&self, output: Output) -> ContainerRequest<GenericImage> {
        let image = self.image.to_string();
        // The library puts a colon between the two, whether the second is a tag or the end of a digest.
        let (name, tag) = image.rsplit_once(':').unwrap_or((&image, "latest"));
        let request = GenericImage::new(name, tag)
            .with_cmd(self.args.iter().cloned())
            .with_startup_timeout(self.start_within)
            .with_log_consumer(lines_of(output))
            .with_host_config_modifier(|host| {
                let bindings = host.port_bindings.iter_mut().flat_map(|ports| ports.values_mut());
                for binding in bindings.flatten().flatten() {
                    binding.host_ip = Some(HOST.to_owned());
                }
            });
        let with_variable =
            |request: ContainerRequest<_>, (name, value): &(String, String)| request.with_env_var(name, value);
        let request = self.variables.iter().fold(request, with_variable);
        let with_port = |request: ContainerRequest<_>, (host, container): (&u16, &u16)| {
            request.with_mapped_port(*host, container.tcp())
        };
        self.ports.iter().fold(request, with_port)
    }
}

/// Without arguments and variables, which may hold secrets.
impl fmt::Debug for ContainerCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerCommand")
            .field("image", &self.image)
            .field("ports", &self.ports)
            .field("readiness", &self.readiness)
            .finish_non_exhaustive()
    }
}

/// What the container writes, as it comes.
fn lines_of(output: Output) -> impl Fn(&LogFrame) + Send + Sync + 'static {
    let lines = Arc::new(Mutex::new((Lines::of_stdout(), Lines::of_stderr())));
    move |frame| {
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        match frame {
            LogFrame::StdOut(bytes) => lines.0.take(bytes, &output),
            LogFrame::StdErr(bytes) => lines.1.take(bytes, &output),
        }
    }
}
