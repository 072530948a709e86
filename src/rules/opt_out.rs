//! Opt-outs and their scope (A46-A48).
//!
//! Invariant: our block is never narrower than the carrier's. A carrier that acts on STOP blocks a pair of numbers; by
//! default one STOP blocks all our numbers, and START lifts no more than the carrier does.

use super::keyword::{self, Keyword};
use super::language::system_text;
use super::non_us;
use crate::model::{E164, Language, OptOutScope, Phase, Settings};

/// Maximum number of pairs stored for one person; beyond it all numbers are blocked.
pub const NUMBERS_MAX: usize = 64;

/// The confirmation of a STOP if no text is configured.
pub const CONFIRMATION: &str =
    "You have opted out and will get no more messages from us. Reply START to get them again.";

/// The numbers from which a person must not be texted. Never empty: a person who may be texted has no block.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Block {
    /// Whether all our numbers are blocked.
    pub everywhere: bool,
    /// Our numbers that received STOP or that the carrier reports as blocked.
    pub numbers: Vec<E164>,
}

impl Block {
    /// A block for all our numbers, as an administrator adds it.
    pub fn everywhere() -> Self {
        Self { everywhere: true, numbers: Vec::new() }
    }

    /// Whether texts from `ours` are blocked.
    pub fn covers(&self, ours: E164) -> bool {
        self.everywhere || self.numbers.contains(&ours)
    }

    /// If there are too many numbers, keeps the latest ones and blocks all our numbers.
    fn bound(&mut self) {
        let over = self.numbers.len().saturating_sub(NUMBERS_MAX);
        self.everywhere |= over > 0;
        self.numbers.drain(..over);
    }
}

/// The block after STOP to `ours`; `None` if it does not change.
pub fn stop(before: Option<&Block>, ours: E164, scope: OptOutScope) -> Option<Block> {
    let mut block = before.cloned().unwrap_or_default();
    if !block.numbers.contains(&ours) {
        block.numbers.push(ours);
    }
    block.everywhere |= scope == OptOutScope::AllNumbers;
    block.bound();
    (before != Some(&block)).then_some(block)
}

/// The union of both blocks; `None` if it equals `before`.
pub fn union(before: Option<&Block>, listed: &Block) -> Option<Block> {
    let mut block = before.cloned().unwrap_or_default();
    block.everywhere |= listed.everywhere;
    for number in &listed.numbers {
        if !block.numbers.contains(number) {
            block.numbers.push(*number);
        }
    }
    block.bound();
    (before != Some(&block)).then_some(block)
}

/// The block that an administrator sets; `None` if that would lift a part of what the person or their carrier asked for.
pub fn set(before: Option<&Block>, is_persons: bool, given: Block) -> Option<Block> {
    let Some(before) = before else { return Some(given) };
    let narrower = !given.everywhere && (before.everywhere || before.numbers.iter().any(|ours| !given.covers(*ours)));
    match is_persons {
        true if narrower => None,
        // The numbers that received STOP stay listed: START to one of them lifts no more than that one.
        true => Some(union(Some(before), &given).unwrap_or_else(|| before.clone())),
        false if same_numbers(before, &given) && before.everywhere == given.everywhere => Some(before.clone()),
        false => Some(given),
    }
}

fn same_numbers(one: &Block, other: &Block) -> bool {
    let all_in = |one: &Block, other: &Block| one.numbers.iter().all(|ours| other.numbers.contains(ours));
    all_in(one, other) && all_in(other, one)
}

/// The block after START to `ours`: other numbers that received STOP stay blocked, as they do at the carrier. The outer
/// `None` means that `ours` was not blocked, the inner `None` that the person may be texted again.
pub fn start(before: Option<&Block>, ours: E164) -> Option<Option<Block>> {
    let before = before.filter(|block| block.covers(ours))?;
    let numbers: Vec<_> = before.numbers.iter().copied().filter(|number| *number != ours).collect();
    Some((!numbers.is_empty()).then_some(Block { everywhere: false, numbers }))
}

/// The keyword of a message: the one the carrier reports and acts on, else by its text. YES and START from a sender who
/// is not blocked are ordinary text (A47).
pub fn keyword_in(by_carrier: Option<&str>, text: &str, blocked: bool, settings: &Settings) -> Option<Keyword> {
    if let Some(keyword) = by_carrier.and_then(keyword::read) {
        return Some(keyword);
    }
    match keyword::read(text) {
        Some(Keyword::Start) => blocked.then_some(Keyword::Start),
        Some(keyword) => Some(keyword),
        None => (settings.opt_out.first_word && keyword::begins_with_stop(text)).then_some(Keyword::Stop),
    }
}

/// Whether the gateway may answer a keyword at all: not if in-call SMS is off, nor to a number outside the US if those
/// are off for the phase of the call (A34, A35).
pub fn may_answer(theirs: E164, phase: Phase, settings: &Settings) -> bool {
    settings.in_call_sms && !non_us::blocked(theirs, phase, &settings.non_us)
}

/// The single confirmation of a STOP, unless the carrier or the toll-free network sends it (A46).
pub fn confirmation<'a>(
    carrier_answers: bool,
    ours: E164,
    language: &Language,
    settings: &'a Settings,
) -> Option<&'a str> {
    if carrier_answers || is_toll_free(ours) || !settings.opt_out.confirm {
        return None;
    }
    Some(system_text(&settings.opt_out.texts, language, settings).unwrap_or(CONFIRMATION))
}

/// The answer to HELP (who we are and how to reach us), if an administrator wrote one and the carrier does not answer.
pub fn help<'a>(carrier_answers: bool, ours: E164, language: &Language, settings: &'a Settings) -> Option<&'a str> {
    if carrier_answers || is_toll_free(ours) {
        return None;
    }
    system_text(&settings.opt_out.help_texts, language, settings)
}

/// Whether a number is toll-free (+1 8xx): that network blocks and confirms by itself.
fn is_toll_free(number: E164) -> bool {
    let text = number.to_string();
    number.is_plus_one() && ["800", "833", "844", "855", "866", "877", "888"].contains(&&text[2..5])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "+12065550100";
    const OTHER: &str = "+12065550102";
    const TOLL_FREE: &str = "+18885550100";

    #[test]
    fn a46_one_stop_blocks_all_numbers_or_the_one_it_was_sent_to() {
        let all = stop(None, number(ONE), OptOutScope::AllNumbers).unwrap();
        assert!(all.covers(number(ONE)) && all.covers(number(OTHER)));
        let one = stop(None, number(ONE), OptOutScope::Number).unwrap();
        assert!(one.covers(number(ONE)) && !one.covers(number(OTHER)));
    }

    #[test]
    fn a46_a_second_stop_changes_nothing() {
        for scope in [OptOutScope::AllNumbers, OptOutScope::Number] {
            let block = stop(None, number(ONE), scope);
            assert_eq!(stop(block.as_ref(), number(ONE), scope), None);
        }
    }

    #[test]
    fn a47_start_lifts_no_more_than_the_carrier_does() {
        let one = stop(None, number(ONE), OptOutScope::AllNumbers).unwrap();
        assert_eq!(start(Some(&one), number(ONE)), Some(None));
        let left = start(Some(&one), number(OTHER)).unwrap().unwrap();
        assert!(left.covers(number(ONE)) && !left.covers(number(OTHER)));
        assert_eq!(start(Some(&left), number(OTHER)), None);
    }

    #[test]
    fn a46_start_from_any_number_lifts_an_administrators_block() {
        let listed = Block::everywhere();
        assert_eq!(start(Some(&listed), number(OTHER)), Some(None));
    }

    #[test]
    fn a46_stop_to_very_many_numbers_blocks_all() {
        let mut block = None;
        for n in 0..=NUMBERS_MAX {
            let ours = number(&format!("+1206555{n:04}"));
            block = stop(block.as_ref(), ours, OptOutScope::Number);
        }
        let block = block.unwrap();
        assert!(block.everywhere && block.numbers.len() == NUMBERS_MAX);
    }

    #[test]
    fn a46_an_imported_list_never_lifts_a_block() {
        let from = |numbers: &[&str]| Block { everywhere: false, numbers: numbers.iter().map(|n| number(n)).collect() };
        assert_eq!(union(None, &from(&[ONE])), Some(from(&[ONE])));
        assert_eq!(union(Some(&from(&[ONE])), &from(&[OTHER])), Some(from(&[ONE, OTHER])));
        assert_eq!(union(Some(&from(&[ONE, OTHER])), &from(&[OTHER])), None);
        let all = Block::everywhere();
        assert_eq!(union(Some(&from(&[ONE])), &all), Some(Block { everywhere: true, ..from(&[ONE]) }));
        assert_eq!(union(Some(&all), &from(&[ONE])), Some(Block { everywhere: true, ..from(&[ONE]) }));
        assert_eq!(union(Some(&all), &all), None);
        let many: Vec<_> = (0..NUMBERS_MAX).map(|n| format!("+1206555{n:04}")).collect();
        let many = from(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let both = union(Some(&from(&[ONE.replace("100", "999").as_str()])), &many).unwrap();
        assert_eq!(both, Block { everywhere: true, ..many });
    }

    #[test]
    fn a46_an_administrator_narrows_only_what_an_administrator_set() {
        let from = |numbers: &[&str]| Block { everywhere: false, numbers: numbers.iter().map(|n| number(n)).collect() };
        let all = Block::everywhere();
        assert_eq!(set(None, false, from(&[ONE])), Some(from(&[ONE])));
        assert_eq!(set(Some(&all), false, from(&[ONE])), Some(from(&[ONE])));
        assert_eq!(set(Some(&from(&[ONE, OTHER])), false, from(&[OTHER, ONE])), Some(from(&[ONE, OTHER])));
        assert_eq!(set(Some(&from(&[ONE])), true, from(&[OTHER])), None);
        assert_eq!(set(Some(&from(&[ONE])), true, from(&[OTHER, ONE])), Some(from(&[ONE, OTHER])));
        let stopped = stop(None, number(ONE), OptOutScope::AllNumbers).unwrap();
        assert_eq!(set(Some(&stopped), true, from(&[ONE])), None);
        assert_eq!(set(Some(&stopped), true, all), Some(stopped));
    }

    #[test]
    fn a47_yes_and_start_are_keywords_only_from_a_blocked_sender() {
        let settings = Settings::default();
        assert_eq!(keyword_in(None, "YES", true, &settings), Some(Keyword::Start));
        assert_eq!(keyword_in(None, "YES", false, &settings), None);
        assert_eq!(keyword_in(None, "Cancel", false, &settings), Some(Keyword::Stop));
        assert_eq!(keyword_in(Some("STOP"), "no more of this", false, &settings), Some(Keyword::Stop));
    }

    #[test]
    fn a48_a_message_that_begins_with_stop_counts_if_the_setting_is_on() {
        let mut settings = Settings::default();
        assert_eq!(keyword_in(None, "stop please", false, &settings), None);
        settings.opt_out.first_word = true;
        assert_eq!(keyword_in(None, "Stop, please!", false, &settings), Some(Keyword::Stop));
        assert_eq!(keyword_in(None, "please stop", false, &settings), None);
        assert_eq!(keyword_in(None, "Endive soup", false, &settings), None);
        assert_eq!(keyword_in(None, "“STOP” please", false, &settings), Some(Keyword::Stop), "decorated");
        assert_eq!(keyword_in(None, "Liked “STOP”", false, &settings), None);
    }

    #[test]
    fn a46_one_confirmation_unless_the_carrier_or_the_toll_free_network_sends_it() {
        let mut settings = Settings::default();
        let language = settings.default_language.clone();
        let confirmed = |carrier, ours: &str, settings: &Settings| {
            confirmation(carrier, number(ours), &language, settings).map(str::to_owned)
        };
        assert_eq!(confirmed(false, ONE, &settings).as_deref(), Some(CONFIRMATION));
        assert_eq!(confirmed(true, ONE, &settings), None);
        assert_eq!(confirmed(false, TOLL_FREE, &settings), None);
        settings.opt_out.texts.insert(language.clone(), "Bye.".to_owned());
        assert_eq!(confirmed(false, ONE, &settings).as_deref(), Some("Bye."));
        settings.opt_out.confirm = false;
        assert_eq!(confirmed(false, ONE, &settings), None);
    }

    #[test]
    fn a24_help_is_answered_only_with_a_configured_text() {
        let mut settings = Settings::default();
        let language = settings.default_language.clone();
        assert_eq!(help(false, number(ONE), &language, &settings), None);
        settings.opt_out.help_texts.insert(language.clone(), "Example Ltd, example.com".to_owned());
        assert_eq!(help(false, number(ONE), &language, &settings), Some("Example Ltd, example.com"));
        assert_eq!(help(true, number(ONE), &language, &settings), None);
    }

    fn number(text: &str) -> E164 {
        text.parse().unwrap()
    }
}
