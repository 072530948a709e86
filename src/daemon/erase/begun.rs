//! The marker of an erasure that an earlier version, which did not journal erasures, began and did not complete.
//!
//! Invariant: while it is there, no gateway starts. Only the erasure of the same person removes it.
//!
//! ```text
//! the file `erasing`, while there is one:
//!  0  magic        8  "offhookB"
//!  8  key         16  fresh each time
//! 24  fingerprint 16  of the number, made with it
//! 40  crc             CRC-32C of all before, u32
//! ```

use super::EraseFailed;
use crate::machine::fingerprint::{ErasureKey, Fingerprint};
use crate::model::E164;
use std::fs::{self, File};
use std::io;
use std::path::Path;

const NAME: &str = "erasing";

const MAGIC: &[u8; 8] = b"offhookB";
const BYTES: usize = 44;

/// A fingerprint of the person being erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mark {
    key: ErasureKey,
    who: Fingerprint,
}

/// Whether an erasure has begun and is not completed.
pub(in crate::daemon) fn is_begun(data_dir: &Path) -> bool {
    data_dir.join(NAME).exists()
}

/// Checks that no other person's erasure must be completed first.
pub(super) fn may_begin(data_dir: &Path, who: E164) -> Result<(), EraseFailed> {
    let path = data_dir.join(NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(EraseFailed::Refused(format!("{}: {error}", path.display()))),
    };
    match Mark::decode(&bytes) {
        Some(Mark { key, who: begun }) if key.fingerprint(who) == begun => Ok(()),
        Some(_) => Err(EraseFailed::Refused(
            "another person's erasure was interrupted: erase that person first, or their remaining data stays"
                .to_owned(),
        )),
        None => Err(EraseFailed::Refused(format!(
            "{} identifies the person being erased, and is damaged: move it away, then erase that person again",
            path.display()
        ))),
    }
}

/// Removes the marker, if there is one, once the person is erased; that is on disk when this returns.
pub(super) fn done(data_dir: &Path) -> io::Result<()> {
    if !is_begun(data_dir) {
        return Ok(());
    }
    fs::remove_file(data_dir.join(NAME))?;
    File::open(data_dir)?.sync_all()
}

impl Mark {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (marked, crc) = bytes.split_last_chunk::<4>().filter(|_| bytes.len() == BYTES)?;
        let (key, who) = marked.strip_prefix(MAGIC)?.split_first_chunk::<16>()?;
        let whole = crc32c::crc32c(marked) == u32::from_le_bytes(*crc);
        Some(Self { key: ErasureKey(*key), who: Fingerprint(who.try_into().ok()?) }).filter(|_| whole)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const ANN: &str = "+14155550107";
    const BOB: &str = "+14155550108";

    fn number(text: &str) -> E164 {
        text.parse().unwrap()
    }

    /// Leaves a marker as the earlier version did.
    pub(in crate::daemon) fn begin(data_dir: &Path, who: E164) {
        let key = ErasureKey([5; 16]);
        let mut bytes = [&MAGIC[..], &key.0, &key.fingerprint(who).0].concat();
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        fs::write(data_dir.join(NAME), bytes).unwrap();
    }

    #[test]
    fn marker_allows_only_the_same_person() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        assert!(!is_begun(dir) && may_begin(dir, number(ANN)).is_ok());
        begin(dir, number(ANN));
        assert!(is_begun(dir) && may_begin(dir, number(ANN)).is_ok());
        assert!(may_begin(dir, number(BOB)).unwrap_err().to_string().contains("erase that person first"));
        done(dir).unwrap();
        assert!(!is_begun(dir) && may_begin(dir, number(BOB)).is_ok());
    }

    #[test]
    fn damaged_marker_blocks_every_erasure() {
        let directory = tempfile::tempdir().unwrap();
        begin(directory.path(), number(ANN));
        let path = directory.path().join(NAME);
        let mark = fs::read(&path).unwrap();
        for place in 0..mark.len() {
            let mut bytes = mark.clone();
            bytes[place] ^= 1;
            fs::write(&path, bytes).unwrap();
            let refused = may_begin(directory.path(), number(ANN)).unwrap_err().to_string();
            assert!(refused.contains("damaged") && refused.contains("erasing"), "{refused}");
        }
        fs::write(&path, &mark[1..]).unwrap();
        assert!(may_begin(directory.path(), number(ANN)).is_err());
    }
}
