//! Who changes the directory or operates the gateway, and what the audit records of it (A72).

/// Who acts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    /// The name in the configuration.
    pub name: String,
}

impl Actor {
    /// A person at the command line of a stopped gateway.
    pub fn command_line() -> Self {
        Self { name: "command line".to_owned() }
    }

    /// A carrier that was asked about one of our numbers.
    pub fn carrier() -> Self {
        Self { name: "carrier".to_owned() }
    }

    /// The document that a new gateway starts with.
    pub fn seed() -> Self {
        Self { name: "seed".to_owned() }
    }
}

super::labels! {
    /// What an actor did.
    Action {
        /// A resource of the directory was created.
        Create = "create",
        /// A resource of the directory was changed.
        Change = "change",
        /// A resource of the directory was deleted.
        Delete = "delete",
        /// A directory was loaded into a gateway without one.
        Seed = "seed",
        /// A person was opted out, or the extent of the opt-out changed.
        OptOut = "opt_out",
        /// A person's opt-out was removed.
        OptIn = "opt_in",
        /// The carrier was asked about numbers.
        Verify = "verify",
        /// A number or an account was suspended.
        Suspend = "suspend",
        /// A number or an account was resumed.
        Resume = "resume",
        /// Events were delivered again.
        ReplayEvents = "replay_events",
        /// A quarantined webhook was read again.
        ReplayQuarantined = "replay_quarantined",
        /// A quarantined webhook was discarded.
        DiscardQuarantined = "discard_quarantined",
        /// A person was erased.
        Erase = "erase",
        /// A text was sent to a landline by force.
        SendToLandline = "send_to_landline",
        /// A call got another number to text.
        TextAlternative = "text_alternative",
        /// A carrier's list of messages was read for what never arrived.
        Reconcile = "reconcile",
    }
}

/// The particulars of an audited act. They may name a person, so they are erased with that person.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditEntry {
    /// What was acted on, like `queues/support`.
    pub resource: String,
    /// Why, as the actor gave it.
    pub reason: Option<String>,
    /// The resource before, as JSON; `None` if there was none or it is too large.
    pub before: Option<String>,
    /// The resource afterwards, as JSON; `None` if it was deleted or is too large.
    pub after: Option<String>,
}
