//! What tests do to the platform that the demo does not.

use super::{Platform, PlatformBehaviour};
use std::io;

impl Platform {
    /// Sets the behaviour from the next event on.
    pub fn set_behaviour(&self, behaviour: PlatformBehaviour) {
        self.core.state().behaviour = behaviour;
    }

    /// Closes all connections and refuses new ones.
    pub async fn go_down(&self) {
        self.server.close().await;
    }

    /// Listens again, on the same port.
    pub fn come_up(&self) -> io::Result<()> {
        self.server.open()
    }

    /// Number of deliveries received so far, including repeats and faults.
    pub fn count(&self) -> usize {
        self.core.state().record.deliveries.len()
    }
}
