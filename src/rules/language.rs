//! Selection of a text by language (R43, R55, R58, A25, A45).

use crate::model::{Language, Settings, is_blank};
use std::collections::BTreeMap;

/// The closing or auto-reply text in `language`, else in the default language, else `None` (A25, A26).
pub fn system_text<'a>(
    texts: &'a BTreeMap<Language, String>,
    language: &Language,
    settings: &Settings,
) -> Option<&'a str> {
    texts
        .get(language)
        .or_else(|| texts.get(&settings.default_language))
        .map(String::as_str)
        .filter(|text| !is_blank(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(languages: &[&str]) -> BTreeMap<Language, String> {
        languages.iter().map(|name| (Language::try_from((*name).to_owned()).unwrap(), format!("in {name}"))).collect()
    }

    #[test]
    fn a25_a_missing_text_falls_back_to_the_default_language_or_to_none() {
        let settings = Settings::default();
        let italian = Language::try_from("it".to_owned()).unwrap();
        assert_eq!(system_text(&texts(&["en", "it"]), &italian, &settings), Some("in it"));
        assert_eq!(system_text(&texts(&["en"]), &italian, &settings), Some("in en"));
        assert_eq!(system_text(&texts(&["fr"]), &italian, &settings), None);
    }

    #[test]
    fn a26_a_message_that_is_not_set_is_not_sent() {
        let blank = BTreeMap::from([(Language::try_from("en".to_owned()).unwrap(), " ".to_owned())]);
        assert_eq!(system_text(&blank, &Settings::default().default_language, &Settings::default()), None);
    }
}
