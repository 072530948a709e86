//! `offhook sim`: a simulated carrier by itself, for a gateway to be tested against.

use super::arguments::Sim;
use super::{fail, say};
use offhook::model::E164;
use offhook::sim::carrier::{Arrived, Behaviour, Carrier, CarrierSettings};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use tokio::sync::broadcast::error::RecvError;

/// The caller in the instructions.
const CALLER: &str = "+12065550142";
/// Entries of its record, which nobody reads here.
const RECORD_MAX: usize = 10_000;

/// Runs until Ctrl-C, and shows each text that arrives on a phone.
pub(crate) fn simulate(sim: &Sim) -> ExitCode {
    match tokio::runtime::Runtime::new().and_then(|runtime| runtime.block_on(run(sim))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("the carrier cannot run: {error}")),
    }
}

async fn run(sim: &Sim) -> io::Result<()> {
    let settings = CarrierSettings {
        account: sim.account.clone(),
        public_url: sim.public_url.trim_end_matches('/').to_owned(),
        numbers: sim.number.clone(),
        record_max: RECORD_MAX,
        ..CarrierSettings::of(sim.carrier)
    };
    let behaviour = sim.behaviour.as_deref().map(named).transpose()?;
    let carrier = Carrier::start_at(settings.clone(), sim.listen).await.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("it cannot listen at {} ({error}): choose another with --listen", sim.listen),
        )
    })?;
    if let Some(behaviour) = behaviour {
        carrier.set_behaviour(behaviour);
    }
    carrier.gateway_is_at(sim.gateway);
    let (account, secrets) = settings.configuration(carrier.url());
    say(&format!("{} is simulated at {}. ", sim.carrier.name(), carrier.url()));
    match &sim.write {
        Some(directory) => {
            write(directory, &account, &secrets)?;
            let file = directory.join("account.toml");
            say(&format!("Its account for the gateway's configuration is in {}.\n", file.display()));
        }
        None => {
            say(&format!("Its account for the gateway's configuration:\n\n{account}\n"));
            say("and the files that it names, beside the configuration:\n\n");
            for (name, secret) in &secrets {
                say(&format!("{name}\n{secret}\n\n"));
            }
        }
    }
    let keypads = carrier.keypads();
    say(&format!("Webhooks are posted to {}. Text as a caller:\n\n  curl {keypads}{CALLER} -d 'Hello'\n", sim.gateway));
    if carrier.has_mms() {
        say(&format!("  curl {keypads}{CALLER} -H 'Content-Type: image/jpeg' --data-binary @photo.jpg\n"));
    }
    say("\nTexts that arrive on phones:\n");
    let arrivals = carrier.arrivals();
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => stopped?,
        () = show(arrivals) => {}
    }
    carrier.stop().await;
    Ok(())
}

fn named(name: &str) -> io::Result<Behaviour> {
    Behaviour::named(name).ok_or_else(|| {
        let names: Vec<_> = Behaviour::names().map(|name| format!("{name:?}")).collect();
        io::Error::other(format!("no behaviour is called {name:?}: use one of {}", names.join(", ")))
    })
}

/// Writes the account and its secrets, which only the owner may read.
fn write(directory: &Path, account: &str, secrets: &[(&str, String)]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let files = secrets.iter().map(|(name, secret)| (*name, secret.as_str()));
    for (name, content) in files.chain([("account.toml", account)]) {
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(directory.join(name))?;
        file.write_all(content.as_bytes())?;
    }
    Ok(())
}

async fn show(mut arrivals: tokio::sync::broadcast::Receiver<(E164, Arrived)>) {
    loop {
        match arrivals.recv().await {
            Ok((phone, Arrived { from, text })) => {
                let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                say(&format!("{phone} from {from}: {text}\n"));
            }
            Err(RecvError::Lagged(missed)) => say(&format!("{missed} more texts arrived\n")),
            Err(RecvError::Closed) => return,
        }
    }
}
