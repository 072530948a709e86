//! Invisible characters.

/// Whether `c` is a format character: general category Cf or the property Default_Ignorable_Code_Point (variation
/// selectors, fillers, tags).
pub fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Whether a text has no visible character: only space, control and format characters.
pub fn is_blank(text: &str) -> bool {
    /// A Braille cell without dots: a symbol by category, but blank.
    const BRAILLE_BLANK: char = '\u{2800}';
    text.chars().all(|c| c.is_whitespace() || c.is_control() || is_format(c) || c == BRAILLE_BLANK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f01_format_characters_match_the_unicode_properties() {
        let unicode = regex::Regex::new(r"^[\p{Cf}\p{Default_Ignorable_Code_Point}]$").unwrap();
        for c in '\0'..=char::MAX {
            assert_eq!(is_format(c), unicode.is_match(c.encode_utf8(&mut [0; 4])), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn f02_a_text_without_visible_characters_is_blank() {
        for text in
            ["", " \n", "\u{200b}", "\u{feff}\u{2060}", "\u{ad}", "\u{0}\u{7f}", "\u{3164}", "\u{2800}", "\u{e0041}"]
        {
            assert!(is_blank(text), "{text:?}");
        }
        for text in [".", "\u{200b}a", "👍", "\u{301}", "\u{fffd}", "\u{a0}—"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }
}
