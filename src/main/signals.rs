//! Signal handling: SIGTERM and SIGINT stop the gateway, a second one forces the shutdown; SIGHUP reloads the
//! configuration.

use std::io;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// The signals received so far.
pub(crate) struct Signals {
    pub(crate) stop: CancellationToken,
    pub(crate) second_signal: CancellationToken,
    /// Holds at most one pending reload: a SIGHUP during a reload causes one more.
    pub(crate) reload: Arc<Notify>,
    _listening: AbortOnDropHandle<()>,
}

impl Signals {
    /// Installs the handlers, which replace the default action of ending the process.
    pub(crate) fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let hang_up = signal(SignalKind::hangup())?;
        let (stop, second_signal, reload) =
            (CancellationToken::new(), CancellationToken::new(), Arc::new(Notify::new()));
        let listening =
            listen([terminate, interrupt], hang_up, stop.clone(), second_signal.clone(), Arc::clone(&reload));
        Ok(Self { stop, second_signal, reload, _listening: AbortOnDropHandle::new(tokio::spawn(listening)) })
    }
}

async fn listen(
    [mut terminate, mut interrupt]: [Signal; 2],
    mut hang_up: Signal,
    stop: CancellationToken,
    second_signal: CancellationToken,
    reload: Arc<Notify>,
) {
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {
                reload.notify_one();
                continue;
            }
        }
        if stop.is_cancelled() {
            second_signal.cancel();
        }
        stop.cancel();
    }
}
