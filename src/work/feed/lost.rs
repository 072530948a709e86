//! How a feed passes positions that were lost from the journal, and given up.

use super::Feed;
use super::terms::Reader;
use crate::model::Position;

impl Feed {
    /// Where this reader wants to read on nothing stands before `to`: it goes on there. Other readers, and what is held,
    /// stay where they are.
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
