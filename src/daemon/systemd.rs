//! What systemd hands over and what it is told. Where it did not start us, all of this does nothing.

use super::StartFailed;
use crate::engine::{Heartbeat, TURNS_EVERY};
use crate::net::Listener;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::env;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// The doors that systemd may bind for us; `FileDescriptorName=` of a socket unit is one of these.
const DOORS: [&str; 3] = ["carriers", "platform", "ops"];

/// Below this a watchdog could bite a gateway that only has nothing to do: it is fed in half of its time, and the engine
/// must have turned meanwhile.
const WATCHDOG_LEAST: Duration = TURNS_EVERY.saturating_mul(4);

/// Sockets that systemd listens on for us, by the names of our doors. Connections wait in them while we are away.
#[derive(Debug, Default)]
pub struct Sockets(BTreeMap<&'static str, TcpListener>);

/// Sockets were handed over that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SocketsFailed {
    /// No door has the name.
    #[error(
        "systemd hands over a socket named {0:?}: set FileDescriptorName= in its unit to one of carriers, platform, ops"
    )]
    NoDoor(String),
    /// A door has one socket.
    #[error("systemd hands over two sockets named {0:?}: leave one ListenStream= for it")]
    Twice(&'static str),
    /// It is no TCP socket.
    #[error(
        "the socket named {name:?} cannot be used ({error}): let its unit have ListenStream= with an address and a port"
    )]
    NoTcp {
        /// Its name.
        name: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

impl Sockets {
    /// Those that this process was started with.
    pub fn handed_over() -> Result<Self, SocketsFailed> {
        let mut handed = ListenFd::from_env();
        let doors = doors(&env::var("LISTEN_FDNAMES").unwrap_or_default(), handed.len())?;
        let mut sockets = BTreeMap::new();
        for (nth, name) in doors.into_iter().enumerate() {
            let socket = handed.take_tcp_listener(nth).map_err(|error| SocketsFailed::NoTcp { name, error })?;
            sockets.extend(socket.map(|socket| (name, socket)));
        }
        Ok(Self(sockets))
    }

    /// The listener of a door: the socket that was handed over for it, or one that is bound now. What was checked of the
    /// configured address, that it is not reached from outside without TLS, must hold for the socket too, so it has to
    /// be there.
    pub(super) fn listener(&mut self, door: &'static str, address: SocketAddr) -> Result<Listener, StartFailed> {
        let bind = |error| StartFailed::Bind { door, address, error };
        let Some(socket) = self.0.remove(door) else { return Listener::bind(address).map_err(bind) };
        let there = socket.local_addr().map_err(bind)?;
        let any_port = address.port() == 0 && there.ip() == address.ip();
        if there != address && !any_port {
            return Err(StartFailed::Elsewhere { door, address, there });
        }
        Listener::from_std(socket).map_err(bind)
    }
}

/// The doors of so many sockets, by their names as `LISTEN_FDNAMES` has them. What stands there beyond is not looked at.
pub(super) fn doors(names: &str, sockets: usize) -> Result<Vec<&'static str>, SocketsFailed> {
    let mut doors = Vec::new();
    let mut names = names.split(':');
    for _ in 0..sockets {
        let named = names.next().unwrap_or_default();
        let name = DOORS.into_iter().find(|door| *door == named);
        let name = name.ok_or_else(|| SocketsFailed::NoDoor(named.to_owned()))?;
        if doors.contains(&name) {
            return Err(SocketsFailed::Twice(name));
        }
        doors.push(name);
    }
    Ok(doors)
}

/// Journal and index are being read, however long that takes.
pub fn recovering() {
    tell(&[NotifyState::Status("reading journal and index")]);
}

/// The gateway takes work.
pub fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("at work")]);
}

/// The configuration is being read again; [`ready`] says that this is over.
pub fn reloading() {
    let mut news = vec![NotifyState::Reloading, NotifyState::Status("reading the configuration")];
    news.extend(NotifyState::monotonic_usec_now().ok());
    tell(&news);
}

/// The gateway stops.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

fn tell(news: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, news) {
        tracing::warn!(%error, "systemd cannot be told of anything");
    }
}

/// Feeds systemd's watchdog for as long as the engine's thread turns.
pub async fn watchdog(engine: Heartbeat) -> Infallible {
    let mut usec = 0;
    if !sd_notify::watchdog_enabled(false, &mut usec) {
        return std::future::pending().await;
    }
    let limit = Duration::from_micros(usec);
    if limit < WATCHDOG_LEAST {
        tracing::warn!(
            ?limit,
            "the watchdog may bite a gateway at rest: let WatchdogSec= be {WATCHDOG_LEAST:?} or more"
        );
    }
    // Telling may wait for systemd, so it has a thread for that.
    let feed = async || _ = tokio::task::spawn_blocking(|| tell(&[NotifyState::Watchdog])).await;
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
            tracing::error!("the engine is stuck in one commit: systemd's watchdog is not fed; look at the disk");
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

    /// No multiple of a turn, so that no two things happen in the same moment.
    const EVERY: Duration = Duration::from_millis(15_500);

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_while_the_engine_turns_and_not_while_it_is_stuck() {
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
        // Stuck from its last turn on: that one is still told of.
        assert_eq!(after(1, EVERY * 10).await, 1);
        assert_eq!(after(1, EVERY * 10).await, 1);
        assert_eq!(after(30, TURNS_EVERY).await, 2);
    }

    #[tokio::test]
    async fn a_socket_that_was_handed_over_serves_its_door_and_any_other_is_bound() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = held.local_addr().unwrap();
        let mut sockets = Sockets(BTreeMap::from([("carriers", held)]));
        assert_eq!(sockets.listener("carriers", there).unwrap().address().unwrap(), there);
        let bound = sockets.listener("platform", "127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(bound.address().unwrap().port(), 0);
    }

    #[tokio::test]
    async fn a_socket_elsewhere_than_the_configuration_says_is_refused_for_nobody_has_checked_who_reaches_it() {
        let held = || TcpListener::bind("0.0.0.0:0").unwrap();
        for configured in ["127.0.0.1:8080", "127.0.0.1:0"] {
            let mut sockets = Sockets(BTreeMap::from([("carriers", held())]));
            let refused = sockets.listener("carriers", configured.parse().unwrap()).unwrap_err().to_string();
            let way_out = format!("and listen.carriers says {configured}: let ListenStream= in its unit say the same");
            assert!(refused.ends_with(&way_out), "{refused}");
        }
    }
}
