//! Encoding and segment count of a text (3GPP TS 23.038 and 23.040).

mod invisible;
mod surrogates;
pub use self::invisible::{is_blank, is_format};
pub use self::surrogates::decode_with_surrogates;
use super::message::Warning;
use serde::Serialize;

/// Maximum length of an outbound text (R50) in Unicode scalar values (A43).
pub const TEXT_MAX_CHARACTERS: usize = 918;

/// The encoding of a text on the air interface.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// The 7-bit default alphabet with its extension table.
    Gsm7,
    /// UTF-16, which the standard calls UCS-2.
    Ucs2,
}

impl Encoding {
    /// Units in a single-segment message, and in each segment of a longer one (which also carries a header).
    const fn limits(self) -> (u32, u32) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }

    /// Units of one character, in septets or 16-bit units.
    fn units(self, character: char) -> u32 {
        match self {
            Self::Gsm7 => gsm7_septets(character).unwrap_or(0),
            Self::Ucs2 => character.len_utf16() as u32,
        }
    }
}

/// The length of a text in characters, units and segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Measured {
    /// The encoding the whole text needs.
    pub encoding: Encoding,
    /// Unicode scalar values.
    pub characters: usize,
    /// Septets for GSM-7, 16-bit units for UCS-2.
    pub units: u32,
    /// Segments, at least 1; carriers count and charge these.
    pub segments: u16,
}

impl Measured {
    /// Warnings for the agent before the text is sent (R46).
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.segments > 1 {
            warnings.push(Warning::OverOneSegment);
        }
        if self.encoding == Encoding::Ucs2 {
            warnings.push(Warning::NotGsm7);
        }
        warnings
    }
}

/// Measures `text` as it would be transmitted.
///
/// A pair (escape and character, or two surrogates) is never split between segments, so a segment may end one
/// unit short, and the count is not always the units divided by the limit.
pub fn measure(text: &str) -> Measured {
    let gsm7 = text.chars().all(|character| gsm7_septets(character).is_some());
    let encoding = if gsm7 { Encoding::Gsm7 } else { Encoding::Ucs2 };
    let (whole, part) = encoding.limits();

    let mut characters = 0;
    let mut units = 0;
    let mut segments = 1u16;
    let mut in_segment = 0;
    for character in text.chars() {
        let cost = encoding.units(character);
        characters += 1;
        units += cost;
        if in_segment + cost > part {
            segments = segments.saturating_add(1);
            in_segment = 0;
        }
        in_segment += cost;
    }
    Measured { encoding, characters, units, segments: if units <= whole { 1 } else { segments } }
}

/// Septets of a character in GSM-7: 1, 2 for the extension table, `None` for characters outside GSM-7.
fn gsm7_septets(character: char) -> Option<u32> {
    match character {
        // GSM-7 has all printable ASCII characters except the backtick; nine of them are in the extension table.
        '^' | '{' | '}' | '\\' | '[' | '~' | ']' | '|' | '\u{c}' | '€' => Some(2),
        '`' => None,
        ' '..='~' | '\n' | '\r' => Some(1),
        '£' | '¥' | 'è' | 'é' | 'ù' | 'ì' | 'ò' | 'Ç' | 'Ø' | 'ø' | 'Å' | 'å' | 'Δ' | 'Φ' | 'Γ' | 'Λ' | 'Ω' | 'Π'
        | 'Ψ' | 'Σ' | 'Θ' | 'Ξ' | 'Æ' | 'æ' | 'ß' | 'É' | '¤' | '¡' | 'Ä' | 'Ö' | 'Ñ' | 'Ü' | '§' | '¿' | 'ä' | 'ö'
        | 'ñ' | 'ü' | 'à' => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// A test vector from Twilio's segment calculator.
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        text: String,
        smart_encoding: bool,
        encoding: String,
        segments: u16,
        units: u32,
    }

    #[test]
    fn a28_segment_counts_match_the_carriers_calculator() {
        let vectors: Vec<Vector> = serde_json::from_str(include_str!("../../tests/vectors/segments.json")).unwrap();
        assert_eq!(vectors.len(), 64);
        // Sends say `SmartEncoded=false`, so no character is replaced.
        for vector in vectors.into_iter().filter(|vector| !vector.smart_encoding) {
            let measured = measure(&vector.text);
            let encoding = match measured.encoding {
                Encoding::Gsm7 => "GSM-7",
                Encoding::Ucs2 => "UCS-2",
            };
            assert_eq!((encoding, measured.segments), (vector.encoding.as_str(), vector.segments), "{}", vector.name);
            assert_eq!(measured.units, vector.units, "units of {}", vector.name);
        }
    }

    #[test]
    fn r46_a_text_over_one_segment_gets_a_warning_and_is_allowed() {
        assert_eq!(measure(&"a".repeat(160)).warnings(), []);
        assert_eq!(measure(&"a".repeat(161)).warnings(), [Warning::OverOneSegment]);
        assert_eq!(measure("ç").warnings(), [Warning::NotGsm7]);
        assert_eq!(measure(&"ç".repeat(71)).warnings(), [Warning::OverOneSegment, Warning::NotGsm7]);
    }

    #[test]
    fn a43_characters_are_unicode_scalar_values() {
        assert_eq!(measure("a😀ç").characters, 3);
    }
}
