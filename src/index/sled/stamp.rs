//! The stamp: a row that identifies an index and its state.

use crate::model::Position;
use std::fs;

/// The version of the index's layout: tree names, stamp and mark. Raise it when one of them changes.
const LAYOUT_VERSION: u16 = 1;

/// The journal and encoding that an index belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The journal that the rows came from.
    pub journal: [u8; 16],
    /// The version of the rows' and keys' encoding.
    pub rows_version: u16,
}

/// The boot of the machine, if the kernel reports it; an unknown boot equals no other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boot(pub(super) Option<[u8; 16]>);

impl Boot {
    pub(super) fn of_this_machine() -> Self {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
        let id = (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok()).flatten();
        Self(id.map(u128::to_be_bytes))
    }

    pub(super) fn is(self, other: Self) -> bool {
        self.0.is_some() && self.0 == other.0
    }
}

/// The owner of an index, the boot in which it was last written, and its position.
pub(super) struct Stamp {
    pub(super) owner: Owner,
    pub(super) boot: Boot,
    pub(super) position: Position,
}

impl Stamp {
    pub(super) const BYTES: usize = 2 + 2 + 16 + 16 + 8;

    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..2].copy_from_slice(&LAYOUT_VERSION.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.owner.rows_version.to_be_bytes());
        bytes[4..20].copy_from_slice(&self.owner.journal);
        bytes[20..36].copy_from_slice(&self.boot.0.unwrap_or_default());
        bytes[36..].copy_from_slice(&self.position.0.to_be_bytes());
        bytes
    }

    /// Returns `None` for another layout, which counts as no stamp.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let (layout, bytes) = bytes.split_first_chunk()?;
        let (rows_version, bytes) = bytes.split_first_chunk()?;
        let (journal, bytes) = bytes.split_first_chunk()?;
        let (boot, bytes) = bytes.split_first_chunk()?;
        let (position, _) = bytes.split_first_chunk()?;
        (u16::from_be_bytes(*layout) == LAYOUT_VERSION).then(|| Self {
            owner: Owner { journal: *journal, rows_version: u16::from_be_bytes(*rows_version) },
            boot: Boot((*boot != [0; 16]).then_some(*boot)),
            position: Position(u64::from_be_bytes(*position)),
        })
    }
}
