//! A map that copies of the directory share until one of them changes it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A value that its clones share. Changing it through one of them copies it first, so that the others keep what they
/// have. With ten thousand numbers, a change of one preset copies no number.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    /// Whether both are the same value in memory; if not, they may still be equal.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<'a, T> IntoIterator for &'a Shared<T>
where
    &'a T: IntoIterator,
{
    type Item = <&'a T as IntoIterator>::Item;
    type IntoIter = <&'a T as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (&*self.0).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_through_one_copy_leaves_the_others_as_they_are() {
        let one = Shared::from(vec![1]);
        let mut other = one.clone();
        assert!(one.is(&other));
        other.push(2);
        assert_eq!((&*one, &*other, one.is(&other)), (&vec![1], &vec![1, 2], false));
    }
}
