//! Retry schedule and expiry of sends.

use crate::model::{Kind, MessageId, Timestamp};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::time::Duration;

/// Backoff between attempts, in milliseconds; the last value repeats until the message expires.
const WAITS_MS: [u64; 7] = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/// The longest a message waits for a carrier's `Retry-After`, at least the lifetime of any message. Its lane pauses for
/// the full time.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

/// How long a message may wait after acceptance until it is sent (`send_ttl`).
pub fn send_ttl(kind: Kind) -> Duration {
    match kind {
        Kind::Preset | Kind::Custom | Kind::SmartAction => Duration::from_secs(120),
        Kind::Closing | Kind::AutoReply | Kind::OptOutConfirmation | Kind::HelpReply | Kind::Inbound => {
            Duration::from_secs(60)
        }
    }
}

/// How long a lane pauses after `laters` consecutive temporary refusals, unless the carrier asks for longer (A64).
pub fn rest(laters: u32) -> Duration {
    let step = (laters.max(1) as usize - 1).min(WAITS_MS.len() - 1);
    Duration::from_millis(WAITS_MS[step])
}

/// When the attempt after the failed one (`failed`, counted from 1) of `message` starts: the schedule with ±20 %
/// jitter, or `retry_after` if that is longer. The jitter is a hash of id and attempt, so a replay computes the same
/// time.
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
    fn the_backoff_is_half_a_second_to_thirty_with_20_percent_jitter() {
        let message = MessageId::new(Day(1), Position(1), 0);
        let now = Timestamp::from_ms(0);
        for (failed, wait) in (1..).zip([500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 30_000]) {
            let next = next_attempt(message, failed, None, now).as_ms();
            assert!((wait * 8 / 10..=wait * 12 / 10).contains(&next), "attempt {failed}: {next}");
            assert_eq!(next, next_attempt(message, failed, None, now).as_ms(), "a replay waits the same");
        }
    }

    #[test]
    fn a64_retry_after_is_honoured_up_to_a_maximum() {
        let message = MessageId::new(Day(1), Position(1), 0);
        let next =
            |seconds| next_attempt(message, 1, Some(Duration::from_secs(seconds)), Timestamp::from_ms(0)).as_ms();
        assert_eq!(next(7), 7_000);
        assert_eq!(next(1_000_000), 120_000);
    }
}
