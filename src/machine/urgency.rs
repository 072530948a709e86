//! What commands may be refused when the gateway has too much to do or too little space.

use super::command::Command;
use crate::model::{CallId, InboundItem};

/// Whether a command may be refused for load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Urgency {
    /// Decided first and practically never refused for load, because it frees resources.
    Urgent,
    /// Refused when too many commands wait.
    Ordinary,
}

/// Whether a command is new work, which is refused while disk space is low. Work under way is finished: texts are
/// settled, calls change and end, receipts are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewWork<'a> {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It is if this call is unknown.
    IfUnknown(&'a CallId),
}

impl Command {
    /// Whether this command may be refused for load.
    pub fn urgency(&self) -> Urgency {
        match self {
            Self::PutCall(_)
            | Self::Send(_)
            | Self::Cancel(_)
            | Self::Replayed { .. }
            | Self::Seed { .. }
            | Self::ChangeDirectory { .. }
            | Self::ApplyDocument(_)
            | Self::OptOut { .. }
            | Self::ListOptOuts { .. }
            | Self::OptIn { .. }
            | Self::ReplayQuarantined { .. }
            | Self::DiscardQuarantined { .. }
            | Self::Erase { .. }
            | Self::BeginReconciliation(_)
            | Self::FindKnown { .. }
            | Self::ListedMessage { .. }
            | Self::InboundItem {
                item: InboundItem::Message(_) | InboundItem::Unreadable { .. } | InboundItem::Ignored { .. },
                ..
            } => Urgency::Ordinary,
            Self::EndCall { .. }
            | Self::InboundItem { item: InboundItem::Receipt(_), .. }
            | Self::GatewayStarted
            | Self::NumberChecked { .. }
            | Self::NumbersVerified { .. }
            | Self::StartSend { .. }
            | Self::Settle { .. }
            | Self::Expire(_)
            | Self::SettleMedium { .. }
            | Self::AdvanceFeed { .. }
            | Self::Audit { .. }
            | Self::TryAccounts
            | Self::Suspend(_)
            | Self::Resume { .. }
            | Self::Tick
            | Self::CarryLeases { .. }
            | Self::CarryDebts { .. }
            | Self::FeedGap { .. }
            | Self::JournalLost { .. }
            | Self::ChangeErasure { .. }
            | Self::EndReconciliation { .. } => Urgency::Urgent,
        }
    }

    /// Whether this command is new work.
    pub fn new_work(&self) -> NewWork<'_> {
        match self {
            Self::Send(_) | Self::ListedMessage { .. } => NewWork::Yes,
            Self::InboundItem { item, .. } if is_new(item) => NewWork::Yes,
            Self::ReplayQuarantined { last: Some(item), .. } if is_new(item) => NewWork::Yes,
            Self::PutCall(put) => NewWork::IfUnknown(&put.call),
            _ => NewWork::No,
        }
    }
}

/// Whether a carrier's item is new work.
pub fn is_new(item: &InboundItem) -> bool {
    matches!(item, InboundItem::Message(_) | InboundItem::Unreadable { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Receipt, ReceiptRef, ReceiptState};

    #[test]
    fn receipts_and_ends_are_urgent_and_only_new_items_are_new_work() {
        let receipt = InboundItem::Receipt(Receipt {
            about: ReceiptRef::CarrierOnly,
            carrier_id: "SM1".to_owned(),
            status: "sent".to_owned(),
            state: ReceiptState::Sent,
            carrier_code: None,
            detail: None,
            segments: None,
        });
        let unreadable = InboundItem::Unreadable { raw: Vec::new(), problem: String::new(), request: None };
        let command = |item| Command::InboundItem { account: "main".to_owned(), item };
        let of = |command: Command| (command.urgency(), command.new_work() == NewWork::Yes);
        assert_eq!(of(command(receipt)), (Urgency::Urgent, false));
        assert_eq!(of(command(unreadable)), (Urgency::Ordinary, true));
        let call = CallId::read("c-1").unwrap();
        assert_eq!(of(Command::EndCall { call, reason: None, key: None }), (Urgency::Urgent, false));
        assert_eq!(of(Command::Tick), (Urgency::Urgent, false));
    }
}
