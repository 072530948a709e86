//! Which events an endpoint wants.

use crate::machine::show::{DIRECTORY_CHANGED, EventHeader, KINDS};
use std::collections::BTreeSet;

/// The event types an endpoint subscribes to. The default is all but `directory.changed`, which is for who asks for it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// The patterns as they were written; empty for the default.
    words: Vec<String>,
    kinds: BTreeSet<&'static str>,
}

impl Filter {
    /// Parses types like `call.ended`, and groups of them like `message.*`. Returns the patterns that match no type.
    pub fn read<'a>(words: &[&'a str]) -> Result<Self, Vec<&'a str>> {
        let mut filter = Self::default();
        let mut unknown = Vec::new();
        for word in words {
            let group = word.strip_suffix('*').filter(|group| group.ends_with('.'));
            let fits = |kind: &str| group.map_or(kind == *word, |group| kind.starts_with(group));
            let found: Vec<_> = KINDS.iter().copied().filter(|kind| fits(kind)).collect();
            if found.is_empty() {
                unknown.push(*word);
            }
            filter.kinds.extend(found);
            filter.words.push((*word).to_owned());
        }
        if unknown.is_empty() { Ok(filter) } else { Err(unknown) }
    }

    /// Whether an event of this type is wanted.
    pub fn takes(&self, kind: &str) -> bool {
        if self.words.is_empty() { kind != DIRECTORY_CHANGED } else { self.kinds.contains(kind) }
    }

    /// The patterns as they were written; empty for the default.
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

/// What an endpoint gets: its filter, and its name.
#[derive(Default)]
pub(super) struct Subscription {
    pub(super) filter: Filter,
    /// The endpoint's name; empty for a feed without gap events of its own.
    pub(super) endpoint: String,
}

impl Subscription {
    /// Whether the endpoint gets this event: the filter selects it, or it is the endpoint's own gap event, which
    /// ignores the filter.
    pub(super) fn takes(&self, header: &EventHeader<'_>) -> bool {
        header.only_for().map_or_else(|| self.filter.takes(header.kind), |endpoint| endpoint == self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_only_its_types_and_groups_of_types() {
        let filter = Filter::read(&["message.*", "call.ended"]).unwrap();
        for kind in KINDS {
            assert_eq!(filter.takes(kind), kind.starts_with("message.") || *kind == "call.ended", "{kind}");
            assert_eq!(Filter::default().takes(kind), *kind != "directory.changed", "{kind}");
        }
        for named in ["directory.changed", "directory.*"] {
            assert!(Filter::read(&[named]).unwrap().takes("directory.changed"));
        }
    }

    #[test]
    fn patterns_that_match_no_type_are_returned() {
        let words = ["call.ended", "message", "message.", "*", "call*", "call.begun", "media.ready.*", ""];
        assert_eq!(Filter::read(&words), Err(words[1..].to_vec()));
    }
}
