//! What every media store does, whatever it is made of.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use super::{FIRST_BYTES_MAX, Sha256, Store, Stored, WAITING_MAX};
use crate::model::Day;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use sha2::Digest as _;
use std::ops::Range;

/// Names the suite's tests: one function that runs all of them, and a macro that makes each a test of its own.
macro_rules! tests {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Runs the whole suite; the store is empty before and after.
        pub async fn all(store: &Store) {
            $($name(store).await;)*
        }

        /// A test for each part of the suite, with a store that `$open` makes beside something it needs.
        #[cfg(test)]
        macro_rules! store_suite {
            ($open:expr) => {
                $(#[tokio::test]
                async fn $name() {
                    let (store, _place) = $open;
                    crate::work::media::store::suite::$name(&store).await;
                })*
            };
        }
    };
}

tests! {
    a_medium_is_read_as_it_was_written,
    a_range_is_cut_at_the_end,
    same_bytes_are_stored_once_a_day,
    two_writers_of_the_same_bytes_both_succeed,
    a_medium_that_is_not_finished_leaves_nothing,
    a_deleted_medium_is_gone_and_others_stay,
    a_day_is_listed_and_deleted_as_a_whole,
    a_store_that_works_passes_the_probe,
}

#[cfg(test)]
pub(super) use store_suite;

const DAY: Day = Day(20_786);
const NEXT_DAY: Day = Day(20_787);

/// Sizes around every buffer's, also of nothing.
pub async fn a_medium_is_read_as_it_was_written(store: &Store) {
    for size in [0, 1, FIRST_BYTES_MAX + 1, WAITING_MAX - 1, WAITING_MAX, WAITING_MAX + 1, 5 * 1024 * 1024] {
        let bytes = sample(size, 1);
        let stored = store_in_pieces(store, DAY, &bytes, 100_003).await;
        assert_eq!(stored.sha256, Sha256::from(sha2::Sha256::digest(&bytes)), "{size}");
        assert_eq!(stored.bytes, size as u64);
        assert_eq!(stored.first_bytes, bytes[..size.min(FIRST_BYTES_MAX)]);
        assert_eq!(store.size(DAY, stored.sha256).await.unwrap(), Some(size as u64));
        let (whole, range) = read(store, DAY, stored.sha256, None).await.unwrap();
        assert_eq!(range, 0..size as u64);
        assert!(whole == bytes, "{size} bytes are read as they were written");
        assert!(read(store, NEXT_DAY, stored.sha256, None).await.is_none(), "it is a medium of its day");
    }
    clear(store).await;
}

/// Also one that begins there, or has no byte.
pub async fn a_range_is_cut_at_the_end(store: &Store) {
    let size = 200_000;
    let bytes = sample(size, 2);
    let stored = put(store, DAY, &bytes).await;
    let size = size as u64;
    for (asked, expected) in [
        (0..1, 0..1),
        (65_535..131_073, 65_535..131_073),
        (size - 1..size, size - 1..size),
        (size - 5..size + 5, size - 5..size),
        (0..u64::MAX, 0..size),
        (7..7, 7..7),
        (size..size + 1, size..size),
        (size + 1..u64::MAX, size..size),
    ] {
        let (part, range) = read(store, DAY, stored.sha256, Some(asked.clone())).await.unwrap();
        assert_eq!(range, expected, "{asked:?}");
        assert!(part == bytes[range.start as usize..range.end as usize], "{asked:?}");
    }
    assert!(read(store, DAY, [7; 32], Some(0..1)).await.is_none());
    clear(store).await;
}

/// By the same name, on each day.
pub async fn same_bytes_are_stored_once_a_day(store: &Store) {
    let bytes = sample(300_000, 3);
    let first = put(store, DAY, &bytes).await;
    assert_eq!(put(store, DAY, &bytes).await, first);
    assert_eq!(list(store, DAY).await, [first.sha256]);
    assert_eq!(put(store, NEXT_DAY, &bytes).await, first);
    store.delete(DAY, first.sha256).await.unwrap();
    assert!(read(store, NEXT_DAY, first.sha256, None).await.unwrap().0 == bytes, "the other day's stays");
    clear(store).await;
}

/// Each writes its pieces between the other's.
pub async fn two_writers_of_the_same_bytes_both_succeed(store: &Store) {
    let bytes = sample(1_000_000, 4);
    let (one, other) =
        tokio::join!(store_in_pieces(store, DAY, &bytes, 70_001), store_in_pieces(store, DAY, &bytes, 130_003));
    assert_eq!(one, other);
    assert_eq!(list(store, DAY).await, [one.sha256]);
    assert!(read(store, DAY, one.sha256, None).await.unwrap().0 == bytes);
    clear(store).await;
}

/// Neither in the store nor aside.
pub async fn a_medium_that_is_not_finished_leaves_nothing(store: &Store) {
    let mut incoming = store.writer(DAY);
    incoming.write(sample(WAITING_MAX + 1, 5).into()).await.unwrap();
    drop(incoming);
    assert!(list(store, DAY).await.is_empty());
    assert!(matches!(store.used_bytes().await.unwrap(), None | Some(0)));
}

/// Deleting what is not there changes nothing.
pub async fn a_deleted_medium_is_gone_and_others_stay(store: &Store) {
    let (one, other) = (put(store, DAY, b"one").await, put(store, DAY, b"other").await);
    for _ in 0..2 {
        store.delete(DAY, one.sha256).await.unwrap();
        assert!(read(store, DAY, one.sha256, None).await.is_none());
        assert_eq!(store.size(DAY, one.sha256).await.unwrap(), None);
    }
    store.delete(NEXT_DAY, other.sha256).await.unwrap();
    assert_eq!(list(store, DAY).await, [other.sha256]);
    assert_eq!(put(store, DAY, b"one").await, one, "it can be stored again");
    clear(store).await;
}

/// More of them than are listed at once.
pub async fn a_day_is_listed_and_deleted_as_a_whole(store: &Store) {
    let mut stored = Vec::new();
    for number in 0..300_u32 {
        stored.push(put(store, DAY, &number.to_be_bytes()).await.sha256);
    }
    let of_next_day = put(store, NEXT_DAY, b"next day").await.sha256;
    assert_eq!(store.days().await.unwrap(), [DAY, NEXT_DAY]);
    stored.sort_unstable();
    assert_eq!(list(store, DAY).await, stored);
    for _ in 0..2 {
        store.delete_day(DAY).await.unwrap();
        assert!(list(store, DAY).await.is_empty());
        assert_eq!(store.days().await.unwrap(), [NEXT_DAY]);
    }
    assert_eq!(list(store, NEXT_DAY).await, [of_next_day]);
    clear(store).await;
}

/// And keeps nothing of it.
pub async fn a_store_that_works_passes_the_probe(store: &Store) {
    store.probe().await.unwrap();
    assert!(store.days().await.unwrap().is_empty());
    assert!(matches!(store.used_bytes().await.unwrap(), None | Some(0)));
    assert_eq!(store.sweep_aside().await.unwrap(), 0);
}

/// Stores bytes in one piece.
pub async fn put(store: &Store, day: Day, bytes: &[u8]) -> Stored {
    store_in_pieces(store, day, bytes, usize::MAX).await
}

/// Bytes that do not repeat at any buffer's size.
pub fn sample(size: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let next = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    });
    next.take(size).collect()
}

/// The media of a day, in order.
pub async fn list(store: &Store, day: Day) -> Vec<Sha256> {
    let mut listed: Vec<_> = store.list(day).await.unwrap().try_collect().await.unwrap();
    listed.sort_unstable();
    listed
}

/// A range of a medium, and which it is; `None` if there is no such medium.
pub async fn read(store: &Store, day: Day, sha256: Sha256, range: Option<Range<u64>>) -> Option<(Vec<u8>, Range<u64>)> {
    let reading = store.read(day, sha256, range).await.unwrap()?;
    let pieces: Vec<Bytes> = reading.pieces.try_collect().await.unwrap();
    Some((pieces.concat(), reading.range))
}

async fn store_in_pieces(store: &Store, day: Day, bytes: &[u8], piece: usize) -> Stored {
    let mut incoming = store.writer(day);
    for piece in bytes.chunks(piece) {
        incoming.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    incoming.finish().await.unwrap()
}

async fn clear(store: &Store) {
    for day in store.days().await.unwrap() {
        store.delete_day(day).await.unwrap();
    }
    assert!(store.days().await.unwrap().is_empty());
}
