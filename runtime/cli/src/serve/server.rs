//! A server from the first plugin that starts to the last that has cleaned up: [`Server`].

use std::time::Duration;

use palisade::{EventKind, Replay, Subscription, Supervisor, TrustStore};
use palisade_server::listen::{self, ListenSettings};
use palisade_server::{ServiceSettings, Token, TokenList, router};
use palisade_signer::{Conclusion, Failure, HostError, Surroundings, Terminal};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::reload::{Reload, Trusted};
use super::service_manager::ServiceManager;
use super::settings::Settings;
use super::sockets::Sockets;
use super::voice::Voice;
use super::watch::Watch;
use super::{Listening, Serve, signals};
use crate::operate::House;

/// How long answers that the end has cut short may take to get out: they are written, and small.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// What a server is started with.
pub(super) struct Server<'a> {
    pub(super) serve: &'a Serve,
    pub(super) settings: &'a Settings,
    pub(super) surroundings: &'a Surroundings,
    pub(super) voice: &'a Voice,
    /// How many connections there may be.
    pub(super) connections: usize,
}

/// What was read and opened before the process gave up the rest.
pub(super) struct Handed {
    pub(super) sockets: Sockets,
    pub(super) tokens: Vec<Token>,
    pub(super) trust: TrustStore,
}

/// What ends before the plugins do.
struct Running {
    /// The server says that it is about to end.
    ending: CancellationToken,
    /// It takes no more requests.
    closing: CancellationToken,
    /// Whoever asks for the settings to be read again.
    asked: Receiver<()>,
    /// Ends with it.
    tasks: JoinSet<()>,
    /// The answers under way.
    answering: Option<JoinHandle<()>>,
}

impl Server<'_> {
    /// Starts the plugins, answers until the process is asked to end, and ends everything in order.
    pub(super) async fn run(
        &self,
        house: &House,
        handed: Handed,
        terminal: &mut Terminal,
    ) -> Result<Conclusion, Failure> {
        let ending = CancellationToken::new();
        let (ask, asked) = channel(1);
        let mut running = Running {
            tasks: JoinSet::new(),
            asked,
            answering: None,
            ending: ending.clone(),
            closing: CancellationToken::new(),
        };
        running
            .tasks
            .spawn(signals::obey(ending, ask).map_err(HostError::Threads)?);
        let events = house.supervisor.subscribe(None, Replay::Nothing);
        running.tasks.spawn(tell_warnings(events, self.voice.clone()));
        let served = self.serve(house, handed, &mut running, terminal).await;
        self.end(&house.supervisor, running).await;
        house.cache_warnings.tell(terminal);
        served.map(|()| Conclusion::Done)
    }

    async fn serve(
        &self,
        house: &House,
        handed: Handed,
        running: &mut Running,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let manager = ServiceManager(self.voice);
        running.tasks.spawn(manager.keep_alive());
        // Those that do not start are told about, and the others are served.
        let started = running.ending.run_until_cancelled(house.supervisor.start()).await;
        for (id, error) in started.unwrap_or_default() {
            self.voice
                .report(Failure::from(error).about_plugin(id), self.surroundings);
        }
        house.cache_warnings.tell(terminal);
        let listening = Listening::on(&handed.sockets);
        let tokens = TokenList::from(handed.tokens);
        let hosts = self.settings.hosts.iter().cloned().chain(handed.sockets.names());
        let service = ServiceSettings::new(house.supervisor.clone())
            .token_list(tokens.clone())
            .hosts(hosts)
            .audit(house.audit.clone())
            .journal(house.supervisor.folder().to_owned())
            .ending(running.ending.clone());
        let settings = ListenSettings {
            connections: self.connections,
            ..ListenSettings::default()
        };
        let listeners = handed.sockets.listen()?;
        let answering = listen::serve(listeners, router(service), settings, running.closing.clone());
        running.answering = Some(tokio::spawn(answering));
        let trusted = Trusted::new(handed.trust);
        if let Some(folder) = &self.settings.watch {
            let watch = Watch {
                folder: folder.clone(),
                supervisor: house.supervisor.acting_as("watch"),
                trusted: trusted.clone(),
                voice: self.voice.clone(),
                surroundings: self.surroundings.clone(),
                server: listening.listening.clone(),
            };
            running.tasks.spawn(watch.begin()?);
        }
        terminal.answer(&listening)?;
        manager.ready();
        let mut reload = Reload::new(self, (house, tokens, trusted));
        while let Some(Some(())) = running.ending.run_until_cancelled(running.asked.recv()).await {
            manager.reloading();
            reload.again().await;
            manager.ready();
        }
        Ok(())
    }

    /// Nothing new is begun; what is under way is answered; plugins stop, those first that others need least.
    async fn end(&self, supervisor: &Supervisor, running: Running) {
        let Running {
            ending,
            closing,
            mut tasks,
            mut answering,
            ..
        } = running;
        ending.cancel();
        ServiceManager(self.voice).stopping();
        if answering.is_some() {
            sleep(self.settings.shutdown_delay).await;
        }
        closing.cancel();
        let (start, time) = (Instant::now(), self.settings.shutdown_timeout);
        if let Some(answering) = &mut answering {
            // What takes longer than half of the time is cut off by the end of its plugin, and answered so.
            let _ = timeout_at(start + time / 2, answering).await;
        }
        let left = supervisor.shutdown(time.saturating_sub(start.elapsed())).await;
        for (id, error) in left {
            self.voice.warn(&format!("{id} did not end in order: {error}"));
        }
        if let Some(mut answering) = answering.filter(|answering| !answering.is_finished())
            && timeout(LAST_ANSWERS, &mut answering).await.is_err()
        {
            answering.abort();
            let _ = answering.await;
        }
        tasks.shutdown().await;
    }
}

/// Tells what the host warns about, as it comes.
async fn tell_warnings(mut events: Subscription, voice: Voice) {
    loop {
        let event = events.next().await;
        if let EventKind::Warning { message, .. } = &event.kind {
            voice.warn(&format!("{}: {message}", event.plugin_id));
        }
    }
}
