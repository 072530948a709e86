//! Opt-out, opt-in and help words (A24, A47, A48).

use crate::model::is_format;
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What a message that consists of one keyword requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Keyword {
    /// No more texts.
    Stop,
    /// Resume texts.
    Start,
    /// Identify the sender.
    Help,
}

const STOP: &[&str] = &[
    "stop",
    "stopall",
    "stop all",
    "unsubscribe",
    "unsub",
    "cancel",
    "end",
    "quit",
    "revoke",
    "optout",
    "opt out",
    "arret",
    "arreter",
    "arrete",
    "desabonner",
    "parar",
    "detener",
    "baja",
    "cancelar",
];
const START: &[&str] = &["start", "unstop", "yes", "resume", "debut", "nonarret", "reprendre", "inicio", "alta", "si"];
const HELP: &[&str] = &["help", "info", "aide", "ayuda"];

/// The keyword that the text consists of, if it contains nothing else.
///
/// The whole message is compared, ignoring case and decoration: lenient matching is safer for the consumer (A48).
pub fn read(text: &str) -> Option<Keyword> {
    /// Longer than any keyword.
    const TOO_LONG: usize = 16;
    word(&normalized(text).flat_map(char::to_lowercase).take(TOO_LONG).collect::<String>())
}

/// Whether the first word of a text is an opt-out word, as in "stop please". Carriers do not match such texts; a law
/// may require it.
pub fn begins_with_stop(text: &str) -> bool {
    // Hyphens and apostrophes are part of a word ("end-user"), dashes are not ("stop—please").
    let is_of_word =
        |c: char| c.is_alphanumeric() || is_format(c) || is_combining_mark(c) || "-\u{2010}\u{2011}'’".contains(c);
    let mut words = text.split(|c| !is_of_word(c));
    let first = words.find(|word| normalized(word).next().is_some()).unwrap_or_default();
    read(first) == Some(Keyword::Stop)
}

/// Whether a text repeats one of our own, ignoring decoration. Case matters, because a machine repeats a text exactly.
/// Texts without letters and digits are compared unchanged.
pub fn repeats(text: &str, ours: &str) -> bool {
    if normalized(ours).next().is_none() {
        return text.trim() == ours.trim();
    }
    normalized(text).eq(normalized(ours))
}

/// The words of a text without decoration, separated by single spaces.
///
/// Format characters and accents are dropped, full-width and other styled letters become plain ones (NFKD), and all
/// characters other than letters and digits (of any script) separate words.
fn normalized(text: &str) -> impl Iterator<Item = char> {
    let mut plain = text
        .char_indices()
        .filter(|(_, c)| !is_format(*c))
        .map(|(at, c)| if is_emoji(c, &text[at + c.len_utf8()..]) { ' ' } else { c })
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .peekable();
    while plain.next_if_eq(&' ').is_some() {}
    std::iter::from_fn(move || match plain.next()? {
        ' ' => {
            while plain.next_if_eq(&' ').is_some() {}
            plain.peek().map(|_| ' ')
        }
        c => Some(c),
    })
}

/// Whether `c`, followed by `rest`, is an emoji that Unicode classifies as a letter or digit, or decomposes into
/// letters: ™, ℹ, squared letters and ideographs, and keycap digits.
fn is_emoji(c: char, rest: &str) -> bool {
    /// The variation selector for emoji presentation, and the combining keycap.
    const AS_EMOJI: char = '\u{fe0f}';
    const KEY: char = '\u{20e3}';
    match c {
        '™' | 'ℹ' | 'Ⓜ' | '㊗' | '㊙' | '\u{1f170}'..='\u{1f189}' | '\u{1f200}'..='\u{1f2ff}' => true,
        '0'..='9' => rest.trim_start_matches(AS_EMOJI).starts_with(KEY),
        _ => false,
    }
}

fn word(folded: &str) -> Option<Keyword> {
    [(STOP, Keyword::Stop), (START, Keyword::Start), (HELP, Keyword::Help)]
        .into_iter()
        .find(|(list, _)| list.contains(&folded))
        .map(|(_, keyword)| keyword)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a48_a_keyword_is_the_whole_message_whatever_its_decoration() {
        for text in [
            "STOP",
            "stop",
            " Stop. ",
            "Stop!!!",
            "\u{ff33}\u{ff34}\u{ff2f}\u{ff30}",
            "Arrêt",
            "STOP  ALL",
            "opt-out",
            "\"stop\"",
        ] {
            assert_eq!(read(text), Some(Keyword::Stop), "{text:?}");
        }
        assert_eq!(read("Sí"), Some(Keyword::Start));
        assert_eq!(read("help?"), Some(Keyword::Help));
    }

    #[test]
    fn f01_quotes_dashes_and_inverted_marks_are_decoration() {
        for text in
            ["“STOP”", "‘stop’", "«STOP»", "¡STOP!", "STOP–", "STOP—", "STOP’", "Stop‽", "„Stop“", "「STOP」", "-stop-"]
        {
            assert_eq!(read(text), Some(Keyword::Stop), "{text:?}");
        }
        assert_eq!(read("opt\u{2011}out"), Some(Keyword::Stop), "a non-breaking hyphen");
        assert_eq!(read("“START”"), Some(Keyword::Start));
        assert_eq!(read("«Start»"), Some(Keyword::Start));
        assert_eq!(read("¿HELP?"), Some(Keyword::Help));
    }

    #[test]
    fn f01_format_characters_are_dropped_everywhere() {
        for c in "\u{200b}\u{feff}\u{200e}\u{200f}\u{200c}\u{200d}\u{2060}\u{ad}\u{61c}\u{2066}\u{fe0f}\u{fe0e}".chars()
        {
            for (word, keyword) in [("STOP", Keyword::Stop), ("START", Keyword::Start), ("HELP", Keyword::Help)] {
                let (first, rest) = word.split_at(2);
                for text in
                    [format!("{c}{word}"), format!("{word}{c}"), format!("{first}{c}{rest}"), format!("{c} {word} {c}")]
                {
                    assert_eq!(read(&text), Some(keyword), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn f01_emoji_are_decoration_even_those_made_of_letters_or_digits() {
        let long = format!("{0}STOP{0}", "🛑".repeat(100));
        for text in [
            "STOP 🛑",
            "🛑STOP",
            "Stop 😡",
            "stop 🙏🏽",
            "STOP ✋",
            "❤️STOP❤️",
            "👩‍👩‍👧‍👦 stop 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
            "STOP ™️",
            "ℹ️ STOP",
            "STOP 🆘🅰️🅱️🈲㊙️Ⓜ️",
            "STOP 1️⃣",
            "STOP #️⃣ 🇺🇸",
            &long,
        ] {
            assert_eq!(read(text), Some(Keyword::Stop), "{text:?}");
        }
    }

    #[test]
    fn f01_styled_letters_and_combining_marks_are_read_as_plain_ones() {
        for text in [
            "ＳＴＯＰ",
            "𝐒𝐓𝐎𝐏",
            "ⓢⓣⓞⓟ",
            "S\u{336}T\u{336}O\u{336}P\u{336}",
            "STOP\u{301}",
            "ARRE\u{302}T",
            "Ｓｔｏｐ！",
        ] {
            assert_eq!(read(text), Some(Keyword::Stop), "{text:?}");
        }
    }

    #[test]
    fn f01_letters_and_digits_of_any_script_are_not_decoration() {
        for text in [
            "Liked “STOP”",
            "Loved “Reply STOP to opt out”",
            "👍 to “STOP”",
            "对“STOP”表示喜欢",
            "“STOP”に“いいね！”しました",
            "STOP 2",
            "STOP٢",
            "STOP я",
            "STOPß",
            "S T O P",
            "🛑",
            "“”",
            "\u{200b}",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn f01_a_decorated_first_word_counts_and_a_compound_does_not() {
        for text in [
            "“STOP” please",
            "🛑 STOP please",
            "STOP—please",
            "STOP🛑please",
            "\u{feff}stop it",
            "Opt-out, now",
            "ＳＴＯＰ　it",
        ] {
            assert!(begins_with_stop(text), "{text:?}");
        }
        for text in ["end-to-end encryption?", "Endive", "Liked “STOP”", "“Reply STOP”", "1 stop", "stopgap", "🛑"]
        {
            assert!(!begins_with_stop(text), "{text:?}");
        }
    }

    #[test]
    fn f01_a_decorated_copy_of_our_text_is_a_repeat() {
        let ours = "This number isn't monitored – please call us.";
        for text in [
            ours,
            "“This number isn’t monitored - please call us.”",
            "\u{200e}This number isn't monitored please call us 🤖",
        ] {
            assert!(repeats(text, ours), "{text:?}");
        }
        for text in ["Liked “This number isn't monitored – please call us.”", "", "🙂", "This number isn't monitored"]
        {
            assert!(!repeats(text, ours), "{text:?}");
        }
        assert!(!repeats("ciao", "Ciao."), "a person's own word");
        assert!(repeats(" 🙂", "🙂") && !repeats("🙃", "🙂"));
    }

    #[test]
    fn every_keyword_is_in_normalized_form() {
        for word in STOP.iter().chain(START).chain(HELP) {
            assert_eq!(normalized(word).collect::<String>(), *word);
            assert!(read(word).is_some());
        }
    }

    #[test]
    fn a48_a_keyword_among_other_words_is_ordinary_text() {
        for text in ["please stop", "stop please", "stopp", "", "the end", &"stop".repeat(20)] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
