//! The doors that a gateway opens: bound at the start, each served once its router exists.

use super::systemd::Sockets;
use super::{StartFailed, build};
use crate::config::{Config, DoorConfig};
use crate::net::{Bounds, Listener};
use crate::observe::Door;
use axum::Router;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The doors that a gateway opens.
pub(super) const OPENED: [Door; 4] = [Door::Carriers, Door::Platform, Door::Console, Door::Ops];

/// Doors that are bound and not served yet. Connections wait in the listen backlog.
pub(super) struct BoundDoors {
    doors: BTreeMap<Door, (Listener, DoorConfig)>,
    bounds: Bounds,
}

impl BoundDoors {
    /// Takes each door's socket from `sockets`, or binds it.
    pub(super) fn bind(config: &Config, mut sockets: Sockets) -> Result<Self, StartFailed> {
        let mut doors = BTreeMap::new();
        for door in OPENED {
            let config = config.listen.of(door).clone();
            doors.insert(door, (sockets.listener(door, config.address)?, config));
        }
        Ok(Self { doors, bounds: build::shared_bounds(config) })
    }

    /// Their addresses, with the port chosen by the system where the configuration has port 0.
    pub(super) fn addresses(&self) -> Result<BTreeMap<Door, SocketAddr>, StartFailed> {
        let address = |(door, (listener, config)): (&Door, &(Listener, DoorConfig))| {
            let failed = |error| StartFailed::Bind { door: door.label(), address: config.address, error };
            Ok((*door, listener.address().map_err(failed)?))
        };
        self.doors.iter().map(address).collect()
    }

    /// Serves each of these doors with its router until `stop`.
    pub(super) fn serve(
        &mut self,
        routers: impl IntoIterator<Item = (Door, Router)>,
        stop: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) {
        for (door, router) in routers {
            let Some((listener, config)) = self.doors.remove(&door) else { continue };
            let bounds = Bounds { proxy_protocol: config.proxy_protocol, ..self.bounds.clone() };
            tasks.spawn(listener.serve(door, bounds, config.tls, router, stop.clone()));
        }
    }
}
