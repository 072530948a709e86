//! Which events an endpoint wants.

use crate::machine::show::{EventHeader, KINDS};
use std::collections::BTreeSet;

/// The types of events an endpoint is told of. The default is all of them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// As they were written; none for all.
    words: Vec<String>,
    kinds: BTreeSet<&'static str>,
}

impl Filter {
    /// Reads types like `call.ended`, and groups of them like `message.*`. What is no type comes back.
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
        self.words.is_empty() || self.kinds.contains(kind)
    }

    /// As it was written; none for all events.
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

/// What an endpoint is told of.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) filter: Filter,
    /// Its name; empty for one that is told of nothing but what all are.
    pub(super) endpoint: String,
}

impl Wanted {
    /// Whether the endpoint is told of it: of what it asked for, and of its own gaps, which it has to know of whatever it
    /// asked for.
    pub(super) fn takes(&self, head: &EventHeader<'_>) -> bool {
        head.only_for().map_or_else(|| self.filter.takes(head.kind), |endpoint| endpoint == self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_or_a_group_of_them_is_wanted_and_nothing_else() {
        let filter = Filter::read(&["message.*", "call.ended"]).unwrap();
        for kind in KINDS {
            assert_eq!(filter.takes(kind), kind.starts_with("message.") || *kind == "call.ended", "{kind}");
            assert!(Filter::default().takes(kind), "who says nothing wants all");
        }
    }

    #[test]
    fn what_is_no_type_comes_back() {
        let words = ["call.ended", "message", "message.", "*", "call*", "call.begun", "media.ready.*", ""];
        assert_eq!(Filter::read(&words), Err(words[1..].to_vec()));
    }
}
