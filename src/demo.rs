//! Floor 8: a scripted demo with three scenarios.
//!
//! A gateway, a simulated carrier, phones and a platform in one process on loopback: nothing to configure, no
//! privileges needed. Everything shown went over real sockets, in the carrier's own wire format, through the journal.
//! The first scenario is one conversation with a photo, from start to hang-up; the second shows the hard cases: a transferred call,
//! several calls of one number, consent, and opt-outs; in the third an administrator changes the directory meanwhile.

mod by_hand;
mod changes;
mod conversation;
mod phones;
mod photo;
mod picture;
mod play;
mod review;
mod special_cases;
mod stage;

use crate::config::{
    self, AccountConfig, Config, ConsoleConfig, Doors, Endpoint, Limits, Log, Storage, default_address, seed,
};
use crate::daemon::systemd::Sockets;
use crate::daemon::{Ended, Running, StartFailed};
use crate::http::api::{Scope, Token};
use crate::http::console::Person;
use crate::model::{E164, Secret};
use crate::observe::Door;
use crate::sim::carrier::{self, CarrierSettings, Kind};
use crate::sim::platform::{Client, Platform, PlatformSettings};
use crate::work::Keep;
use crate::work::feed::Filter;
use crate::work::media::store::MediaConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stage::Stage;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tempfile::TempDir;

/// The demo's directory: three queues, English and Italian presets, numbers with different limits.
const DIRECTORY: &str = include_str!("demo/directory.json");

/// The platform's token; the demo's doors are on loopback and exist only while it runs.
const TOKEN: &str = "demo-token";

/// The tokens of two administrators.
const ADMIN_TOKEN: &str = "admin-token";
const COLLEAGUE_TOKEN: &str = "colleague-token";

/// Why the demo cannot run.
#[derive(Debug, thiserror::Error)]
enum NoDemo {
    #[error("cannot create the runtime, a socket or a directory: {0}")]
    System(#[from] io::Error),
    #[error("{0}")]
    Start(#[from] StartFailed),
    #[error("{} already contains a journal: use an empty directory, or one that does not exist", .0.display())]
    Used(PathBuf),
    #[error("the demo's built-in directory or account is invalid (bug):\n{0}")]
    Invalid(#[from] crate::config::Problems),
}

/// Runs all scenarios. With `once` it exits then, with 0 only if every check passed; otherwise the gateway keeps
/// running for the user until Ctrl-C.
pub fn main(kind: Kind, once: bool, data: Option<PathBuf>) -> ExitCode {
    match run(kind, once, data) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(no_demo) => {
            Stage::new().show_error(&no_demo.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(kind: Kind, once: bool, data: Option<PathBuf>) -> Result<bool, NoDemo> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let kept = data.clone();
        let temporary = if data.is_none() { Some(TempDir::with_prefix("offhook-demo-")?) } else { None };
        let data_dir = data.unwrap_or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned()).unwrap_or_default());
        if data_dir.join("journal").exists() {
            return Err(NoDemo::Used(data_dir));
        }
        let mut set = Set::build(kind, &data_dir, once).await?;
        let running = set.running.take();
        let mut stage = Stage::new();
        stage.introduction();
        let medium = conversation::play(&set, &mut stage).await;
        special_cases::play(&set, &mut stage).await;
        changes::play(&set, &mut stage).await;
        review::events_of_the_platform(&set, &mut stage).await;
        let well = stage.finish();
        let links = running.as_ref().map(|running| running.sign_in.clone());
        let by_hand = links.filter(|_| !once).map(|links| by_hand::ByHand::begin(&set, &stage, &medium, links));
        let Some(running) = running else { return Ok(false) };
        // If Ctrl-C cannot be handled, the demo ends at once rather than never.
        let interrupted = async || _ = tokio::signal::ctrl_c().await;
        let stop = async {
            if let Some(by_hand) = by_hand {
                tokio::select! {
                    () = interrupted() => {}
                    () = by_hand.show(&stage) => {}
                }
                stage.stopping();
            }
        };
        let ended = running.run(stop, interrupted()).await;
        set.carrier.stop().await;
        set.platform.stop().await;
        if !once {
            stage.goodbye(kept.as_deref());
        }
        Ok(well && ended == Ended::Cleanly)
    })
}

/// All parts of the demo.
struct Set {
    carrier: carrier::Carrier,
    platform: Platform,
    client: Client,
    admin: Client,
    colleague: Client,
    addresses: BTreeMap<Door, SocketAddr>,
    running: Option<Running>,
}

impl Set {
    async fn build(kind: Kind, data_dir: &Path, once: bool) -> Result<Self, NoDemo> {
        let settings = CarrierSettings { numbers: play::numbers(), ..CarrierSettings::of(kind) };
        let platform_settings = PlatformSettings::default();
        let platform = Platform::start(&platform_settings).await?;
        let carrier = carrier::Carrier::start(settings.clone()).await?;
        let accounts = accounts(&settings, carrier.url())?;
        let config = config(data_dir, accounts, &platform, &platform_settings, once);
        let seed = seed::read(DIRECTORY, &["main".to_owned()])?;
        let running =
            Running::start(config, Some(seed), Sockets::default(), Some(phones::router(carrier.remote()))).await?;
        let addresses = running.addresses.clone();
        carrier.gateway_is_at(addresses[&Door::Carriers]);
        let client = Client::new(addresses[&Door::Platform], TOKEN);
        let admin = Client::new(addresses[&Door::Platform], ADMIN_TOKEN);
        let colleague = Client::new(addresses[&Door::Platform], COLLEAGUE_TOKEN);
        Ok(Self { carrier, platform, client, admin, colleague, addresses, running: Some(running) })
    }

    fn phone(&self, number: E164) -> crate::sim::phone::Phone {
        self.carrier.phone(number)
    }
}

fn config(
    data_dir: &Path,
    accounts: Vec<AccountConfig>,
    platform: &Platform,
    platform_settings: &PlatformSettings,
    once: bool,
) -> Config {
    let secrets = platform_settings.secrets.iter().filter_map(|secret| {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()?;
        Some(Secret::new(key))
    });
    Config {
        data_dir: data_dir.to_owned(),
        storage: Storage::default(),
        listen: Doors::plain(|door| free(default_address(door), once)),
        tokens: tokens(),
        console: ConsoleConfig {
            people: vec![Person {
                name: "demo".to_owned(),
                scopes: Scope::ALL.into_iter().collect(),
                texts: true,
                password: None,
            }],
            ..ConsoleConfig::default()
        },
        webhooks: vec![Endpoint {
            name: "platform".to_owned(),
            url: platform.url(),
            secrets: secrets.collect(),
            events: Filter::default(),
        }],
        accounts,
        limits: Limits::default(),
        keep: Keep::default(),
        media: MediaConfig::folder(data_dir.join("media")),
        log: Log::default(),
        demo: true,
        warnings: Vec::new(),
    }
}

fn tokens() -> Vec<Token> {
    let administrates = [Scope::Admin, Scope::Read];
    vec![
        token("demo", &Scope::ALL, TOKEN),
        token("administrator", &administrates, ADMIN_TOKEN),
        token("colleague", &administrates, COLLEAGUE_TOKEN),
    ]
}

fn token(name: &str, scopes: &[Scope], secret: &str) -> Token {
    Token { name: name.to_owned(), scopes: scopes.iter().copied().collect(), texts: true, secret: Secret::new(secret) }
}

/// The demo's account with the simulated carrier at `api_url`, read from a file as anybody's is.
fn accounts(carrier: &CarrierSettings, api_url: &str) -> Result<Vec<AccountConfig>, NoDemo> {
    let files = TempDir::with_prefix("offhook-demo-account-")?;
    let (account, secrets) = carrier.configuration(api_url);
    for (name, secret) in secrets {
        let file = files.path().join(name);
        fs::write(&file, secret)?;
        fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    }
    let file = files.path().join("offhook.toml");
    fs::write(&file, format!("data_dir = \"data\"\n{account}"))?;
    Ok(config::load(&file)?.accounts)
}

/// The usual address, for a user who continues by hand, if its port is free; else any free port.
fn free(usual: SocketAddr, once: bool) -> SocketAddr {
    let taken = once || std::net::TcpListener::bind(usual).is_err();
    if taken { SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) } else { usual }
}
