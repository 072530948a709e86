//! systemd socket activation, notifications and watchdog. Does nothing unless started by systemd.

use super::StartFailed;
use super::doors::OPENED;
use crate::engine::{Heartbeat, TURNS_EVERY};
use crate::net::Listener;
use crate::observe::Door;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::env;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Below this the watchdog could kill an idle gateway: it is notified at half the interval, and the engine must have
/// run in between.
const WATCHDOG_LEAST: Duration = TURNS_EVERY.saturating_mul(4);

/// Sockets bound by systemd, by door name. Connections wait in them while the gateway is stopped.
#[derive(Debug, Default)]
pub struct Sockets(BTreeMap<Door, TcpListener>);

/// The sockets passed by systemd cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SocketsFailed {
    /// No door has the name.
    #[error(
        "systemd passed a socket named {0:?}: set FileDescriptorName= in its unit to one of {names}",
        names = names()
    )]
    NoDoor(String),
    /// A door has more than one socket.
    #[error("systemd passed two sockets named {:?}: keep one ListenStream= for it", .0.label())]
    Twice(Door),
    /// It is not a TCP socket.
    #[error(
        "the socket named {:?} cannot be used ({error}): set ListenStream= in its unit to an address and a port",
        .door.label()
    )]
    NoTcp {
        /// Its door.
        door: Door,
        /// The system's error.
        error: io::Error,
    },
}

impl Sockets {
    /// The sockets passed to this process.
    pub fn handed_over() -> Result<Self, SocketsFailed> {
        let mut handed = ListenFd::from_env();
        let doors = doors(&env::var("LISTEN_FDNAMES").unwrap_or_default(), handed.len())?;
        let mut sockets = BTreeMap::new();
        for (nth, door) in doors.into_iter().enumerate() {
            let socket = handed.take_tcp_listener(nth).map_err(|error| SocketsFailed::NoTcp { door, error })?;
            sockets.extend(socket.map(|socket| (door, socket)));
        }
        Ok(Self(sockets))
    }

    /// The listener of a door: the socket passed for it, or a newly bound one. A passed socket must have the
    /// configured address, because the check that plaintext is not reachable from outside was made on that address.
    pub(super) fn listener(&mut self, door: Door, address: SocketAddr) -> Result<Listener, StartFailed> {
        let bind = |error| StartFailed::Bind { door: door.label(), address, error };
        let Some(socket) = self.0.remove(&door) else { return Listener::bind(address).map_err(bind) };
        let there = socket.local_addr().map_err(bind)?;
        let any_port = address.port() == 0 && there.ip() == address.ip();
        if there != address && !any_port {
            return Err(StartFailed::Elsewhere { door: door.label(), address, there });
        }
        Listener::from_std(socket).map_err(bind)
    }
}

fn names() -> String {
    OPENED.map(Door::label).join(", ")
}

/// The doors of the passed sockets, by their names in `LISTEN_FDNAMES`. Further entries are ignored.
pub(super) fn doors(names: &str, sockets: usize) -> Result<Vec<Door>, SocketsFailed> {
    let mut doors = Vec::new();
    let mut names = names.split(':');
    for _ in 0..sockets {
        let named = names.next().unwrap_or_default();
        let door = OPENED.into_iter().find(|door| door.label() == named);
        let door = door.ok_or_else(|| SocketsFailed::NoDoor(named.to_owned()))?;
        if doors.contains(&door) {
            return Err(SocketsFailed::Twice(door));
        }
        doors.push(door);
    }
    Ok(doors)
}

/// Reports that journal and index are being read; there is no deadline.
pub fn recovering() {
    notify(&[NotifyState::Status("reading journal and index")]);
}

/// Reports that the gateway accepts work.
pub fn ready() {
    notify(&[NotifyState::Ready, NotifyState::Status("at work")]);
}

/// Reports a reload in progress; [`ready`] ends it.
pub fn reloading() {
    let mut news = vec![NotifyState::Reloading, NotifyState::Status("reading the configuration")];
    news.extend(NotifyState::monotonic_usec_now().ok());
    notify(&news);
}

/// Reports that the gateway is stopping.
pub fn stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

fn notify(news: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, news) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}

/// Notifies systemd's watchdog for as long as the engine thread runs.
pub async fn watchdog(engine: Heartbeat) -> Infallible {
    let mut usec = 0;
    if !sd_notify::watchdog_enabled(false, &mut usec) {
        return std::future::pending().await;
    }
    let limit = Duration::from_micros(usec);
    if limit < WATCHDOG_LEAST {
        tracing::warn!(
            ?limit,
            "systemd's watchdog may kill an idle gateway: set WatchdogSec= to {WATCHDOG_LEAST:?} or more"
        );
    }
    // Notifying may block on systemd, so it has a thread of its own.
    let feed = async || _ = tokio::task::spawn_blocking(|| notify(&[NotifyState::Watchdog])).await;
    feed_while_it_turns(limit / 2, engine, feed).await
}

async fn feed_while_it_turns(every: Duration, engine: Heartbeat, mut feed: impl AsyncFnMut()) -> Infallible {
    let mut every = interval(every);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut stuck) = (None, false);
    loop {
        every.tick().await;
        let beats = Some(engine.beats());
        let turned = std::mem::replace(&mut seen, beats) != beats;
        if turned {
            feed().await;
        } else if !stuck {
            tracing::error!("the engine is stuck in a commit, so systemd's watchdog is not notified: check the disk");
        }
        stuck = !turned;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::pin::pin;
    use tokio::time::sleep;

    /// Not a multiple of the engine's interval, so that no two events coincide.
    const EVERY: Duration = Duration::from_millis(15_500);

    #[tokio::test(start_paused = true)]
    async fn watchdog_is_notified_only_while_the_engine_runs() {
        let (engine, fed) = (Heartbeat::default(), Cell::new(0));
        let mut feeding = pin!(feed_while_it_turns(EVERY, engine.clone(), async || fed.set(fed.get() + 1)));
        let mut after = async |turns: u32, of: Duration| {
            for _ in 0..turns {
                engine.beat();
                tokio::select! {
                    never = &mut feeding => match never {},
                    () = sleep(of) => {}
                }
            }
            fed.replace(0)
        };
        assert_eq!(after(60, TURNS_EVERY).await, 4);
        // Stuck after its last turn, which still counts once.
        assert_eq!(after(1, EVERY * 10).await, 1);
        assert_eq!(after(1, EVERY * 10).await, 1);
        assert_eq!(after(30, TURNS_EVERY).await, 2);
    }

    #[tokio::test]
    async fn passed_socket_serves_its_door_and_others_are_bound() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = held.local_addr().unwrap();
        let mut sockets = Sockets(BTreeMap::from([(Door::Carriers, held)]));
        assert_eq!(sockets.listener(Door::Carriers, there).unwrap().address().unwrap(), there);
        let bound = sockets.listener(Door::Platform, "127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(bound.address().unwrap().port(), 0);
    }

    #[tokio::test]
    async fn socket_with_another_address_than_configured_is_refused() {
        let held = || TcpListener::bind("0.0.0.0:0").unwrap();
        for configured in ["127.0.0.1:8080", "127.0.0.1:0"] {
            let mut sockets = Sockets(BTreeMap::from([(Door::Carriers, held())]));
            let refused = sockets.listener(Door::Carriers, configured.parse().unwrap()).unwrap_err().to_string();
            let fix = format!(
                "but listen.carriers is {configured}: set ListenStream= in its unit to the same \
                address"
            );
            assert!(refused.ends_with(&fix), "{refused}");
        }
    }
}
