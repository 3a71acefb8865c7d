//! What the system asks of the process: to read its settings again, to end, and to end now.

use std::io;

use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

#[cfg(unix)]
mod kernel {
    use std::future::poll_fn;
    use std::io;
    use std::task::Poll;

    use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

    use super::Signal;

    pub(super) struct Signals {
        streams: [(Stream, Signal); 3],
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            let on = |kind, meaning| signal(kind).map(|stream| (stream, meaning));
            Ok(Self {
                streams: [
                    on(SignalKind::hangup(), Signal::Reload)?,
                    on(SignalKind::terminate(), Signal::End { code: 143 })?,
                    on(SignalKind::interrupt(), Signal::End { code: 130 })?,
                ],
            })
        }

        pub(super) async fn next(&mut self) -> Signal {
            poll_fn(|context| {
                let mut streams = self.streams.iter_mut();
                let come =
                    streams.find_map(|(stream, meaning)| stream.poll_recv(context).is_ready().then_some(*meaning));
                come.map_or(Poll::Pending, Poll::Ready)
            })
            .await
        }
    }
}

#[cfg(not(unix))]
mod kernel {
    use std::io;

    use super::Signal;

    pub(super) struct Signals;

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn next(&mut self) -> Signal {
            match tokio::signal::ctrl_c().await {
                Ok(()) => Signal::End { code: 130 },
                Err(_) => std::future::pending().await,
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Signal {
    Reload,
    /// With the exit code of a process that ends at once because of it.
    End {
        code: i32,
    },
}

/// Cancels `ending` when the process is to end, and ends it when it is asked once more. Asks for a `reload` otherwise.
pub(super) fn obey(ending: CancellationToken, reload: Sender<()>) -> io::Result<impl Future<Output = ()>> {
    let mut signals = kernel::Signals::listen()?;
    Ok(async move {
        loop {
            match signals.next().await {
                // One that waits to be done does for both.
                Signal::Reload => _ = reload.try_send(()),
                // Whoever asks twice does not want to wait for what is being waited for.
                Signal::End { code } if ending.is_cancelled() => std::process::exit(code),
                Signal::End { .. } => ending.cancel(),
            }
        }
    })
}
