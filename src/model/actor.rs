//! Who changes the directory or operates the gateway, and what the audit records of it (A72).

use std::net::IpAddr;

/// What the name of a person in the console begins with; a token's may be the same otherwise.
pub const PERSON: &str = "person:";

/// Who acts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    /// The name of a token in the configuration; of a person in the console, [`PERSON`] and the name.
    pub name: Box<str>,
    /// Where a person in the console acts from. Most commands have an actor and no address, so it is kept apart.
    pub address: Option<Box<IpAddr>>,
}

impl Actor {
    /// Anybody but a person in the console.
    pub fn named(name: impl Into<Box<str>>) -> Self {
        Self { name: name.into(), address: None }
    }

    /// A person in the console.
    pub fn person(name: &str, address: IpAddr) -> Self {
        Self { name: format!("{PERSON}{name}").into(), address: Some(Box::new(address)) }
    }

    /// A person at the command line of a stopped gateway.
    pub fn command_line() -> Self {
        Self::named("command line")
    }

    /// A carrier that was asked about one of our numbers.
    pub fn carrier() -> Self {
        Self::named("carrier")
    }

    /// The document that a new gateway starts with.
    pub fn seed() -> Self {
        Self::named("seed")
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
        /// A link was made that signs a person in at the console.
        MakeSignInLink = "make_sign_in_link",
        /// A person signed in at the console.
        SignIn = "sign_in",
        /// A sign-in was refused.
        RefuseSignIn = "refuse_sign_in",
        /// A session of the console was ended by a person.
        SignOut = "sign_out",
        /// A person read the texts of a call in the console.
        ReadTexts = "read_texts",
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
    /// Where a person in the console acted from.
    pub address: Option<String>,
}
