//! Hourly cap on answers to senders who were on no call (A71).
//!
//! A sender's number is easily forged, and each answer is a text that we pay for. So answers to unknown senders are
//! capped over all our numbers, separately for each kind of answer, so that a flood of one kind does not suppress
//! another.

use crate::model::Timestamp;
use std::time::Duration;

/// Maximum number of distinct timestamps. Beyond it, neighbours are merged at the later of the two.
const TIMESTAMPS_MAX: usize = 512;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Answers of one kind to unknown senders in the last hour.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LastHour(pub Vec<Answers>);

/// Answers at one timestamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answers {
    /// When.
    pub at: Timestamp,
    /// How many.
    pub count: u32,
}

impl LastHour {
    /// Number of answers in the hour before `now`.
    pub fn count(&self, now: Timestamp) -> u32 {
        self.since(now).map(|answers| answers.count).sum()
    }

    /// Whether one more answer stays within `most` per hour; `None` means no bound.
    pub fn has_capacity(&self, most: Option<u32>, now: Timestamp) -> bool {
        most.is_none_or(|most| self.count(now) < most)
    }

    /// The same with one more answer at `now`, and without those older than an hour.
    pub fn with_one_more(&self, now: Timestamp) -> Self {
        let mut answers: Vec<_> = self.since(now).collect();
        if answers.len() >= TIMESTAMPS_MAX {
            let together = |pair: &[Answers]| Answers {
                at: pair.last().expect("a chunk is not empty").at,
                count: pair.iter().map(|answers| answers.count).sum(),
            };
            answers = answers.chunks(2).map(together).collect();
        }
        answers.push(Answers { at: now, count: 1 });
        Self(answers)
    }

    fn since(&self, now: Timestamp) -> impl Iterator<Item = Answers> {
        self.0.iter().copied().filter(move |answers| now.since(answers.at) < HOUR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(100 * 24 * 3600 * 1000);

    fn after(answers: LastHour, secs: impl IntoIterator<Item = u64>) -> LastHour {
        secs.into_iter().fold(answers, |answers, secs| answers.with_one_more(NOW + Duration::from_secs(secs)))
    }

    #[test]
    fn f05_an_answer_counts_for_an_hour_and_no_longer() {
        let answers = after(LastHour::default(), [0, 60]);
        let has_capacity = |secs| answers.has_capacity(Some(2), NOW + Duration::from_secs(secs));
        assert!(!has_capacity(60) && !has_capacity(3_599));
        assert!(has_capacity(3_600));
        assert!(answers.has_capacity(None, NOW));
        assert!(!LastHour::default().has_capacity(Some(0), NOW));
        assert_eq!(
            after(answers, [3_700]),
            after(LastHour::default(), [3_700]),
            "answers older than an hour are dropped"
        );
    }

    #[test]
    fn f05_a_flood_uses_bounded_memory_and_no_hour_exceeds_the_cap() {
        const MOST: u32 = 5_000;
        let mut answers = LastHour::default();
        let mut at = Vec::new();
        // Three hours with an unknown sender every half second.
        for half_second in 0..3 * 7_200 {
            let now = NOW + Duration::from_millis(half_second * 500);
            if answers.has_capacity(Some(MOST), now) {
                answers = answers.with_one_more(now);
                at.push(now);
            }
            assert!(answers.0.len() <= TIMESTAMPS_MAX);
        }
        let most = MOST as usize;
        assert!(at.windows(most + 1).all(|answered| answered[most].since(answered[0]) >= HOUR));
        assert!(at.len() > 2 * most, "the cap must not block answers forever: {}", at.len());
    }
}
