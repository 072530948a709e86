//! The command line's arguments.

use clap::{Args, Parser, Subcommand};
use offhook::model::{E164, MessageId, QuarantineId};
use offhook::net::ClientFiles;
use offhook::sim::carrier::Kind;
use std::net::SocketAddr;
use std::path::PathBuf;

/// An SMS/MMS gateway for people who are on the phone with each other.
#[derive(Parser)]
#[command(version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the gateway.
    Serve {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// A directory document (settings, numbers, queues, presets, opt-outs) to load if the gateway has no directory
        /// yet.
        #[arg(long)]
        seed: Option<PathBuf>,
    },
    /// Make a running gateway reload its configuration, as SIGHUP does. The result is in the gateway's log.
    Reload {
        /// The gateway's process id.
        #[arg(value_parser = clap::value_parser!(i32).range(1..))]
        process: i32,
    },
    /// Check a configuration file, its directory document, and whether this user could run the gateway on this machine.
    /// Reports every problem.
    Check {
        /// The configuration file.
        file: PathBuf,
        /// A directory document to check together with the configuration.
        #[arg(long)]
        seed: Option<PathBuf>,
    },
    /// Run a demo: gateway, simulated carrier, phones and platform in one process.
    Demo {
        /// The carrier that is simulated.
        #[arg(long, value_name = "NAME", default_value = "twilio")]
        carrier: Kind,
        /// Exit after the demo; the exit code is 0 if every result was as expected.
        #[arg(long)]
        once: bool,
        /// Keep the data in this directory instead of a temporary one.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Run a simulated carrier by itself, so that a gateway can be tested against it.
    Sim(Sim),
    /// Export, diff or apply the directory of a running or stopped gateway: settings, numbers, queues, presets, opt-outs.
    Directory {
        #[command(subcommand)]
        command: DirectoryCommand,
    },
    /// Events for the platform. Needs the running gateway.
    Events {
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// Check the accounts and our numbers with the carriers: what is right, what is wrong, and how to mend it. Queries the
    /// running gateway. Exits 0 if nothing is wrong.
    Doctor {
        /// The configuration file of the running gateway.
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        client: ClientCertificate,
    },
    /// People who use the console: make a password's file, or a link that signs somebody in.
    Console {
        #[command(subcommand)]
        command: ConsoleCommand,
    },
    /// Explain why a message has not been sent yet, and when it is due. Queries the running gateway.
    Explain {
        /// The message id, as in msg_...
        id: MessageId,
        /// The configuration file of the running gateway.
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        client: ClientCertificate,
    },
    /// Authentic webhooks that could not be read. Needs the running gateway.
    Quarantine {
        #[command(subcommand)]
        command: QuarantineCommand,
    },
    /// Have a carrier's list of messages read for what never arrived, and take it in. Needed after the gateway or its network
    /// was away; after a downtime of its own the gateway does it by itself. Queries the running gateway.
    Reconcile {
        /// The configuration file of the running gateway.
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        client: ClientCertificate,
        /// The name of the account.
        #[arg(long)]
        account: String,
        /// From when on messages may be missing, as in 2026-01-31T12:00:00Z; at most 7 days ago.
        #[arg(long)]
        since: String,
    },
    /// Show lanes, accounts, endpoints and refusals of the running gateway, live; q quits. Where there is no terminal,
    /// prints them once.
    Top {
        /// The configuration file of the running gateway.
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        client: ClientCertificate,
    },
    /// List all metrics of `/metrics` with labels and how to read them. Works offline.
    Metrics,
    /// Erase a person's data (number and message texts), from a running or a stopped gateway. Their opt-out is kept.
    Erase {
        /// The person's number, as in +12065550142.
        number: E164,
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        client: ClientCertificate,
    },
    /// Verify a journal, print its frames, or accept the loss of damaged ones.
    Journal {
        #[command(subcommand)]
        command: JournalCommand,
    },
}

/// The client certificate for a platform door that requires one.
#[derive(Args)]
pub(crate) struct ClientCertificate {
    /// Client certificate (PEM), if listen.platform_tls requires one.
    #[arg(long, requires = "client_key", value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// Private key of the client certificate (PEM).
    #[arg(long, requires = "client_cert", value_name = "FILE")]
    client_key: Option<PathBuf>,
}

impl ClientCertificate {
    /// Both files, or `None` unless both are given.
    pub(crate) fn files(&self) -> Option<ClientFiles> {
        let (certificate_file, key_file) = self.client_cert.clone().zip(self.client_key.clone())?;
        Some(ClientFiles { certificate_file, key_file })
    }
}

#[derive(Subcommand)]
pub(crate) enum DirectoryCommand {
    /// Print the directory as a document that `serve --seed` accepts.
    Export {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        client: ClientCertificate,
    },
    /// Print what `apply` would change, including people's numbers. Exits 0 if nothing, 1 if something, 2 on an error.
    Diff {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        client: ClientCertificate,
        /// The directory document.
        document: PathBuf,
    },
    /// Replace the directory with a document, atomically. Opt-outs are only ever added.
    Apply {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        client: ClientCertificate,
        /// The directory document.
        document: PathBuf,
        /// Allow queues to use the global outbound number.
        #[arg(long)]
        force: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum EventsCommand {
    /// Re-deliver events of a time range to endpoints, with the same ids and bytes.
    Replay {
        /// The configuration file of the running gateway.
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        client: ClientCertificate,
        /// Start of the range (inclusive), as in 2026-01-31T12:00:00Z.
        #[arg(long)]
        since: String,
        /// End of the range (exclusive). Default: the latest event.
        #[arg(long)]
        until: Option<String>,
        /// The name of a [[platform.webhook]]. Default: all of them.
        #[arg(long)]
        endpoint: Option<String>,
    },
}

#[derive(Subcommand)]
pub(crate) enum QuarantineCommand {
    /// Print one line per webhook, oldest first.
    List(Gateway),
    /// Print a webhook with its body, which contains numbers and texts.
    Show(QuarantinedWebhook),
    /// Read a webhook again, as if it had just come. It stays if it is still unreadable.
    Replay(QuarantinedWebhook),
    /// Discard a webhook.
    Discard(QuarantinedWebhook),
}

/// The running gateway.
#[derive(Args)]
pub(crate) struct Gateway {
    /// The configuration file of the running gateway.
    #[arg(long)]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) client: ClientCertificate,
}

/// A quarantined webhook of the running gateway.
#[derive(Args)]
pub(crate) struct QuarantinedWebhook {
    /// Its id, as in qua_...
    pub(crate) id: QuarantineId,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

#[derive(Subcommand)]
pub(crate) enum JournalCommand {
    /// Check every frame, and report what a start would do. Exits 0 if the gateway would start, 1 on damage. Read-only;
    /// works while the gateway runs.
    Verify {
        /// The data directory, or the journal directory in it.
        dir: PathBuf,
    },
    /// Print one line per frame, without numbers and texts. Read-only; works while the gateway runs.
    Inspect {
        /// The data directory, or the journal directory in it.
        dir: PathBuf,
        /// Position of the first frame to print.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Maximum number of frames to print.
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Give up lost or damaged frames of a stopped gateway, so that it can start. Intact frames stay; the platform gets
    /// a `journal.loss` event. Copy the data directory first.
    AcceptLoss {
        /// The data directory.
        dir: PathBuf,
    },
}

#[derive(Subcommand)]
pub(crate) enum ConsoleCommand {
    /// Ask for a password, twice, and print what belongs into the password_file of [[console.person]]. Works offline.
    Password {
        /// The person's name.
        name: String,
    },
    /// Print a link that signs a person in once, within ten minutes. Needs the running gateway.
    Link {
        /// The person, if there are several.
        #[arg(long = "as", value_name = "NAME")]
        person: Option<String>,
        #[command(flatten)]
        gateway: Gateway,
    },
}

#[derive(Args)]
pub(crate) struct Sim {
    /// The carrier.
    #[arg(long, value_name = "NAME")]
    pub(crate) carrier: Kind,
    /// Where its API listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    pub(crate) listen: SocketAddr,
    /// The gateway's carriers' door, which webhooks are posted to.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) gateway: SocketAddr,
    /// The name of the account in the gateway's configuration.
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub(crate) account: String,
    /// The account's public_url in the gateway's configuration, which signatures cover.
    #[arg(long, value_name = "URL", default_value = "https://sms.example.com")]
    pub(crate) public_url: String,
    /// A number of the account, as in +12065550100. Can be repeated.
    #[arg(long, value_name = "NUMBER", default_value = "+12065550100")]
    pub(crate) number: Vec<E164>,
    /// How it answers every send, as in "429, in seconds" or "silence"; an unknown name lists them all.
    #[arg(long, value_name = "NAME")]
    pub(crate) behaviour: Option<String>,
    /// Write the account's part of the configuration and its secrets into this directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) write: Option<PathBuf>,
}
