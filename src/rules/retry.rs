//! When a send is tried again, and when it is too late.

use crate::model::{Kind, MessageId, Timestamp};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::time::Duration;

/// Waits between attempts, in milliseconds; the last repeats until the message is too old.
const WAITS_MS: [u64; 7] = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/// The longest a message waits for a carrier's `Retry-After`: longer than any lives. Its lane rests as long as it was asked.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

/// How long a message may wait for its first success after it was accepted (`send_ttl`).
pub fn send_ttl(kind: Kind) -> Duration {
    match kind {
        Kind::Preset | Kind::Custom | Kind::SmartAction => Duration::from_secs(120),
        Kind::Closing | Kind::AutoReply | Kind::OptOutConfirmation | Kind::HelpReply | Kind::Inbound => {
            Duration::from_secs(60)
        }
    }
}

/// How long a lane rests after so many "not now" of its carrier in a row, if the carrier names no longer time (A64).
pub fn rest(laters: u32) -> Duration {
    let step = (laters.max(1) as usize - 1).min(WAITS_MS.len() - 1);
    Duration::from_millis(WAITS_MS[step])
}

/// When attempt `failed` (from 1) of `message` is followed by the next: the schedule ± 20 %, spread by a hash of id and
/// attempt so that a replay waits the same; the carrier's own wish where it is longer.
pub fn next_attempt(message: MessageId, failed: u32, retry_after: Option<Duration>, now: Timestamp) -> Timestamp {
    let step = (failed.max(1) as usize - 1).min(WAITS_MS.len() - 1);
    let mut hasher = SipHasher13::new();
    hasher.write(&message.key());
    hasher.write_u32(failed);
    let permille = 800 + hasher.finish() % 401;
    let wait = Duration::from_millis(WAITS_MS[step] * permille / 1000);
    now + wait.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Day, Position};

    #[test]
    fn the_schedule_is_half_a_second_to_thirty_give_or_take_a_fifth() {
        let message = MessageId::new(Day(1), Position(1), 0);
        let now = Timestamp::from_ms(0);
        for (failed, wait) in (1..).zip([500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 30_000]) {
            let next = next_attempt(message, failed, None, now).as_ms();
            assert!((wait * 8 / 10..=wait * 12 / 10).contains(&next), "attempt {failed}: {next}");
            assert_eq!(next, next_attempt(message, failed, None, now).as_ms(), "a replay waits the same");
        }
    }

    #[test]
    fn a64_a_carrier_that_asks_for_more_time_gets_it_within_reason() {
        let message = MessageId::new(Day(1), Position(1), 0);
        let next =
            |seconds| next_attempt(message, 1, Some(Duration::from_secs(seconds)), Timestamp::from_ms(0)).as_ms();
        assert_eq!(next(7), 7_000);
        assert_eq!(next(1_000_000), 120_000);
    }
}
