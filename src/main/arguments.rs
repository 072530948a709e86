//! What can be said on the command line.

use clap::{Args, Parser, Subcommand};
use offhook::model::{E164, MessageId};
use offhook::net::ClientFiles;
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
        /// A directory document for a gateway that has none yet: settings, numbers, queues, presets, opt-outs.
        #[arg(long)]
        seed: Option<PathBuf>,
    },
    /// Have a running gateway read its configuration again, as SIGHUP does. The log of the gateway says what came of it.
    Reload {
        /// Its process id.
        #[arg(value_parser = clap::value_parser!(i32).range(1..))]
        process: i32,
    },
    /// Check a configuration file, the directory document that goes with it, and whether this user could run a gateway
    /// with it here; say everything that is wrong.
    Check {
        /// The configuration file.
        file: PathBuf,
        /// A directory document to check with it.
        #[arg(long)]
        seed: Option<PathBuf>,
    },
    /// Play conversations through a gateway, a simulated carrier, phones and a platform, all in this process.
    Demo {
        /// End after the play; the exit code says whether everything came out as expected.
        #[arg(long)]
        once: bool,
        /// Keep the data there instead of in a temporary directory.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Move the whole directory of a stopped gateway as one document: settings, numbers, queues, presets, opt-outs.
    Directory {
        #[command(subcommand)]
        command: DirectoryCommand,
    },
    /// Events for the platform, in the gateway that runs.
    Events {
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// Say why a message is not sent yet, and when it is due. Asks the gateway that runs.
    Explain {
        /// Its id, as in msg_...
        id: MessageId,
        /// The configuration file that the gateway runs with.
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        shows: ClientCertificate,
    },
    /// Print every metric of `/metrics`: its labels, what it is, and what a rise or a fall of it means. Asks no gateway.
    Metrics,
    /// Erase a person from a stopped gateway: their number, what they wrote and what they were written. That they must not
    /// be texted outlives it.
    Erase {
        /// Their number, as in +12065550142.
        number: E164,
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Check a journal, show its frames, or go on without what is lost of it.
    Journal {
        #[command(subcommand)]
        command: JournalCommand,
    },
}

/// What a command shows to a platform's door that asks for a client certificate.
#[derive(Args)]
pub(crate) struct ClientCertificate {
    /// The client certificate for a gateway whose platform door asks for one, in PEM.
    #[arg(long, requires = "client_key", value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// Its private key, in PEM.
    #[arg(long, requires = "client_cert", value_name = "FILE")]
    client_key: Option<PathBuf>,
}

impl ClientCertificate {
    /// Its files, where both are given.
    pub(crate) fn files(&self) -> Option<ClientFiles> {
        let (certificate_file, key_file) = self.client_cert.clone().zip(self.client_key.clone())?;
        Some(ClientFiles { certificate_file, key_file })
    }
}

#[derive(Subcommand)]
pub(crate) enum DirectoryCommand {
    /// Print it, in the form of `--seed`.
    Export {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Say what `apply` would change, people's numbers too. Exits 0 if nothing, 1 if something, 2 if it cannot be said.
    Diff {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// The directory document.
        document: PathBuf,
    },
    /// Make it what a document says, all of it or nothing. Opt-outs are only added to those there are.
    Apply {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// The directory document.
        document: PathBuf,
        /// Let queues have the global outbound number.
        #[arg(long)]
        force: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum EventsCommand {
    /// Tell endpoints once more what they were told of a time: the same events with the same ids and bytes.
    Replay {
        /// The configuration file that the gateway runs with.
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        shows: ClientCertificate,
        /// Events of this moment and later, as in 2026-01-31T12:00:00Z.
        #[arg(long)]
        since: String,
        /// Events before this moment; left out for all there are.
        #[arg(long)]
        until: Option<String>,
        /// The name of a [[platform.webhook]]; left out for all.
        #[arg(long)]
        endpoint: Option<String>,
    },
}

#[derive(Subcommand)]
pub(crate) enum JournalCommand {
    /// Check every frame, and say what a start would do. Exits 0 if it would start, 1 if there is damage. Reads only, also
    /// beside a running gateway.
    Verify {
        /// The data directory, or the journal in it.
        dir: PathBuf,
    },
    /// Print a line for each frame, without numbers and texts. Reads only, also beside a running gateway.
    Inspect {
        /// The data directory, or the journal in it.
        dir: PathBuf,
        /// Begin at this position.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Print at most so many.
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Go on without frames that are lost or damaged, in a stopped gateway. Every whole frame stays; the platform is told by
    /// a `journal.loss` event. Copy the data directory first.
    AcceptLoss {
        /// The data directory.
        dir: PathBuf,
    },
}
