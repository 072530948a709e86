//! What an event is about: its message, its call, and what it changes in the directory.

use super::Event;
use crate::machine::record::{Named, v1};
use crate::machine::state::Message;
use crate::model::{CallId, Change, Directory, Position};
use std::borrow::Cow;

impl Event {
    /// Returns the directory after this event of the frame at `position`; `None` if the event does not change it.
    pub fn directory_after(&self, before: &Directory, position: Position) -> Option<Directory> {
        let changes = self.directory_changes()?;
        let is_first = matches!(self, Self::DirectoryLoaded { .. });
        let mut after = if is_first { Directory::default() } else { before.clone() };
        changes.iter().for_each(|change| after.change_at(change, position));
        Some(after)
    }

    /// The changes that this event makes to the directory; `None` if it makes none.
    pub(in crate::machine) fn directory_changes(&self) -> Option<Cow<'_, [Change]>> {
        match self {
            Self::DirectoryLoaded { directory, .. } => {
                Some(Change::all_of(&v1::Directory::clone(directory).into()).into())
            }
            Self::DirectoryChanged { changes } => Some(changes.into()),
            Self::VerificationChanged { number, entry } => {
                Some(vec![Change::Number(*number, Some(entry.clone()))].into())
            }
            _ => None,
        }
    }

    /// Returns the message that the event changes, in its new state.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::MessageReceived { message, .. }
            | Self::MessageQueued { message, .. }
            | Self::SendStarted { message, .. }
            | Self::SendPostponed { message, .. }
            | Self::SendUnknown { message, .. }
            | Self::MessageChanged { message, .. }
            | Self::MediumSettled { message, .. }
            | Self::MessageStored { message } => Some(message),
            _ => None,
        }
    }

    /// Returns the call that the event belongs to.
    pub fn call(&self) -> Option<&CallId> {
        match self {
            Self::CallStarted(change)
            | Self::CallUpdated(change)
            | Self::CallEnded(change)
            | Self::CallStored(change) => Some(&change.shown.call.id),
            Self::OptedOut { call, .. } | Self::OptedIn { call, .. } => call.as_ref(),
            _ => self.message()?.call.as_ref(),
        }
    }

    /// Returns the event's name, shown by `journal inspect`.
    pub fn name(&self) -> &'static str {
        Named::name(self)
    }
}
