//! Rows the engine asks for again and again, kept in memory: those of calls that live.
//!
//! Invariant: what is here is what the index holds. The engine is the index's only writer and tells each write, so
//! nothing here can be older than the index.

use crate::machine::rows::{Key, Table};
use std::collections::HashMap;
use std::hash::Hash;

/// Rows and pages in each of two generations. With 300 bytes to a row they are 20 MB at the most.
const GENERATION_MAX: usize = 32_768;

/// Rows of a page that is kept: a number has one live call, hardly ever more.
const PAGE_MAX_ROWS: usize = 8;

/// A page of rows: keys and values.
pub(super) type Page = Vec<(Vec<u8>, Vec<u8>)>;

/// The rows and small pages of `Table::State` asked for last.
#[derive(Default)]
pub(super) struct Warm {
    rows: Generations<Vec<u8>, Option<Vec<u8>>>,
    /// All rows that begin with a prefix.
    pages: Generations<Vec<u8>, Page>,
    /// How long the prefixes in `pages` are; there are a few lengths only.
    prefix_lengths: Vec<usize>,
}

impl Warm {
    /// The row, or that there is none, if it is known here.
    pub(super) fn row(&mut self, key: &Key) -> Option<Option<Vec<u8>>> {
        if key.table == Table::State { self.rows.find(&key.bytes).cloned() } else { None }
    }

    /// The index was asked for a row.
    pub(super) fn learn_row(&mut self, key: &Key, row: Option<&Vec<u8>>) {
        if key.table == Table::State {
            self.rows.insert(key.bytes.clone(), row.cloned());
        }
    }

    /// All rows with a prefix, if they are known here.
    pub(super) fn page(&mut self, table: Table, prefix: &[u8]) -> Option<Page> {
        if table == Table::State { self.pages.find(prefix).cloned() } else { None }
    }

    /// The index was asked for all rows with a prefix.
    pub(super) fn learn_page(&mut self, table: Table, prefix: &[u8], page: &Page) {
        if table != Table::State || page.len() > PAGE_MAX_ROWS {
            return;
        }
        if !self.prefix_lengths.contains(&prefix.len()) {
            self.prefix_lengths.push(prefix.len());
        }
        self.pages.insert(prefix.to_vec(), page.clone());
    }

    /// The index holds this now.
    pub(super) fn wrote(&mut self, key: &Key, row: Option<&Vec<u8>>) {
        if key.table != Table::State {
            return;
        }
        self.rows.insert(key.bytes.clone(), row.cloned());
        for length in &self.prefix_lengths {
            if let Some(prefix) = key.bytes.get(..*length) {
                self.pages.remove(prefix);
            }
        }
    }
}

/// A map that forgets what was not asked for while it was filled once.
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K, V> Default for Generations<K, V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<K: Hash + Eq, V> Generations<K, V> {
    fn find<Q>(&mut self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized + ToOwned<Owned = K>,
    {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key)?;
            self.insert(key.to_owned(), value);
        }
        self.young.get(key)
    }

    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    fn remove<Q>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key { table: Table::State, bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn a_row_is_known_once_it_was_read_or_written_and_always_as_it_was_written_last() {
        let mut warm = Warm::default();
        assert_eq!(warm.row(&key("Ca")), None);
        warm.learn_row(&key("Ca"), None);
        assert_eq!(warm.row(&key("Ca")), Some(None));
        warm.wrote(&key("Ca"), Some(&b"1".to_vec()));
        assert_eq!(warm.row(&key("Ca")), Some(Some(b"1".to_vec())));
    }

    #[test]
    fn a_page_is_forgotten_with_the_first_write_of_a_row_in_it() {
        let mut warm = Warm::default();
        let page = vec![(b"Axx1".to_vec(), b"1".to_vec())];
        warm.learn_page(Table::State, b"Axx", &page);
        warm.wrote(&key("Ayy1"), Some(&b"1".to_vec()));
        assert_eq!(warm.page(Table::State, b"Axx"), Some(page));
        warm.wrote(&key("Axx2"), Some(&b"2".to_vec()));
        assert_eq!(warm.page(Table::State, b"Axx"), None);
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten_and_what_somebody_does_stays() {
        let mut warm = Warm::default();
        warm.learn_row(&key("asked"), None);
        warm.learn_row(&key("not asked"), None);
        for n in 0..3 * GENERATION_MAX {
            warm.learn_row(&key(&n.to_string()), None);
            assert!(warm.row(&key("asked")).is_some());
        }
        assert_eq!(warm.row(&key("not asked")), None);
        assert!(warm.rows.young.len() + warm.rows.old.len() <= 2 * GENERATION_MAX);
    }
}
