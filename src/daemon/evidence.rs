//! What the data directory knows about its journal, apart from the journal itself.
//!
//! Invariant: index, claims and snapshots are written only after the frames they derive from are synced, so none of
//! them is ever ahead of an intact journal. If one is ahead, acknowledged frames are missing.

use super::open::{INDEX, JOURNAL, OpenFailed, snapshots_place};
use crate::index::{Claims, FoundIndex, SledIndex};
use crate::journal::snapshot::Snapshots;
use crate::journal::{Evidence, FileJournal};
use crate::model::Position;
use std::path::Path;

/// The claims' place in the data directory.
pub(super) const CLAIMS: &str = "claims";

/// The result of looking at the index, and the evidence of all files together.
pub(super) struct Found {
    pub(super) index: FoundIndex,
    pub(super) known: Evidence,
    /// The last position whose rows are in a snapshot of this journal.
    pub(super) covers: Position,
}

/// Collects evidence from index, claims and snapshots.
pub(super) fn gather(data_dir: &Path) -> Result<Found, OpenFailed> {
    let identity = FileJournal::identity_in(&data_dir.join(JOURNAL))?;
    let index = SledIndex::look(&data_dir.join(INDEX))?;
    let mut known = besides_the_index(data_dir)?;
    let snapshots = known.iter().filter(|(by, _)| *by == SNAPSHOT);
    let covers = strongest(identity, snapshots.copied().collect()).last;
    known.push(("the index", index.knows()));
    Ok(Found { index, known: strongest(identity, known), covers })
}

/// Evidence without the index, which a running gateway locks; safe next to a running gateway.
pub fn at_rest(data_dir: &Path) -> Result<Evidence, OpenFailed> {
    let known = besides_the_index(data_dir)?;
    let identity = FileJournal::identity_in(&data_dir.join(JOURNAL))?;
    Ok(strongest(identity, known))
}

const SNAPSHOT: &str = "the snapshot";

type Known = (&'static str, Option<([u8; 16], Position)>);

fn besides_the_index(data_dir: &Path) -> Result<Vec<Known>, OpenFailed> {
    let snapshot = Snapshots::known(&snapshots_place(data_dir))?;
    Ok(vec![("the file of claims", Claims::known(&data_dir.join(CLAIMS))?), (SNAPSHOT, snapshot)])
}

/// The furthest position known of this journal, or of any journal if this one has no identity.
fn strongest(identity: Option<[u8; 16]>, known: Vec<Known>) -> Evidence {
    let of_it = known.into_iter().filter_map(|(by, known)| known.map(|(of, last)| (last, of, by)));
    let of_it = of_it.filter(|(_, of, _)| identity.is_none_or(|identity| identity == *of));
    match of_it.max() {
        Some((last, of, by)) => Evidence { identity: Some(of), last, by: by.to_owned() },
        None => Evidence { identity, ..Evidence::default() },
    }
}
