//! How a feed skips positions that were lost from the journal.

use super::Feed;
use super::terms::Reader;
use crate::model::Position;

impl Feed {
    /// Moves this reader to `to`, because the positions before it are lost. Other readers, and events in memory, are
    /// not affected.
    pub fn pass_gap(&mut self, reader: Reader, to: Position) {
        match reader {
            Reader::Backlog => {
                self.next = self.next.max(to);
                self.live.meet(self.next);
            }
            Reader::Live => self.live.skip_to(to),
            Reader::Parked => self.parked.pass_gap(to),
            Reader::Replay => self.replay.pass_gap(to),
        }
    }
}
