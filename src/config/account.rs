//! `[[account]]`: carrier accounts. A few keys are common to all; a carrier reads its own.

mod bandwidth;
mod generic;
mod infobip;
mod plivo;
mod sinch;
mod telnyx;
#[cfg(test)]
mod tests;
mod twilio;
mod vonage;
mod vonage_sms;

use super::problems::did_you_mean;
use super::section::{Reading, Section};
use super::{name, urls};
use crate::carrier::{Dialect, PublicUrl};
use crate::model::Timestamp;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A carrier account.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    /// Its name: used in webhook paths, metrics, and the directory.
    pub name: String,
    /// Its carrier's name in the file.
    pub carrier: &'static str,
    /// The URL of the carriers' door as the carrier calls it. Signatures are computed over it.
    pub public_url: PublicUrl,
    /// Until this time a bad signature is counted and accepted (A59).
    pub report_only_until: Option<Timestamp>,
    /// The carrier's protocol with the account's settings.
    pub dialect: Arc<dyn Dialect>,
    /// What to enter where at the carrier, for people: lines that begin with a verb.
    pub to_enter: String,
    /// Values left over from an example, one line each.
    pub leftovers: Vec<String>,
}

/// A carrier that an account can name.
pub(super) struct Carrier {
    /// Its name in the file.
    pub(super) name: &'static str,
    /// Reads the account's own keys and records their problems. `common` is `None` if a common key has a problem.
    pub(super) read: fn(&Section<'_>, common: Option<&Common>, &mut Reading<'_>) -> Option<Own>,
}

/// The supported carriers, one line each.
pub(super) const CARRIERS: &[Carrier] = &[
    Carrier { name: "twilio", read: twilio::read },
    Carrier { name: "bandwidth", read: bandwidth::read },
    Carrier { name: "telnyx", read: telnyx::read },
    Carrier { name: "plivo", read: plivo::read },
    Carrier { name: "vonage", read: vonage::read },
    Carrier { name: "vonage_sms", read: vonage_sms::read },
    Carrier { name: "infobip", read: infobip::read },
    Carrier { name: "sinch", read: sinch::read },
    Carrier { name: "generic", read: generic::read },
];

/// The keys that accounts of all carriers have.
pub(super) struct Common {
    /// The account's name.
    pub(super) name: String,
    /// The URL of the carriers' door as the carrier calls it.
    pub(super) public_url: PublicUrl,
    /// Base URL for sending, if not the carrier's own.
    pub(super) api_url: Option<Url>,
    /// Only programs of this machine reach the carriers' door, and the carrier is one of them.
    pub(super) on_loopback: bool,
}

/// What a carrier makes of an account.
pub(super) struct Own {
    /// See [`AccountConfig::dialect`].
    pub(super) dialect: Arc<dyn Dialect>,
    /// See [`AccountConfig::to_enter`].
    pub(super) to_enter: String,
    /// See [`AccountConfig::leftovers`].
    pub(super) leftovers: Vec<String>,
}

/// Longest time ahead for unchecked signatures; a longer rollout must be extended deliberately.
const REPORT_ONLY_DAYS_MAX: u64 = 30;

/// Returns the valid accounts with one of these carriers; problems of the others are recorded.
pub(super) fn accounts(root: &Section<'_>, carriers: &[Carrier], reading: &mut Reading<'_>) -> Vec<AccountConfig> {
    let sections = root.sections("account", reading);
    if sections.is_empty() && !root.has("account") {
        reading.warning("there is no [[account]]: nothing can be received or sent".to_owned());
    }
    // The default address is on loopback.
    let door = root.peek_text_in("listen", "carriers").and_then(|address| address.parse::<SocketAddr>().ok());
    let on_loopback = door.is_none_or(|address| address.ip().is_loopback());
    let mut names = Vec::new();
    let mut accounts = Vec::new();
    for section in &sections {
        accounts.extend(account(section, carriers, &names, on_loopback, reading));
        names.extend(section.peek_text("name"));
    }
    accounts
}

fn account(
    section: &Section<'_>,
    carriers: &[Carrier],
    names: &[&str],
    on_loopback: bool,
    reading: &mut Reading<'_>,
) -> Option<AccountConfig> {
    let name = name(section, names, reading);
    let carrier = carrier(section, carriers, reading)?;
    if !section.has("public_url") {
        let what = "the URL at which the carrier reaches the carriers' door, as in \"https://sms.example.com\"";
        section.required_text("public_url", what, reading);
    }
    let public_url = urls::base_url(section, "public_url", reading);
    let api_url = urls::base_url(section, "api_url", reading);
    if api_url.as_ref().is_some_and(|url| url.url().scheme() == "http" && !urls::is_loopback(url.url())) {
        reading.warning(format!("{} is not https: credentials would be sent unencrypted", section.named("api_url")));
    }
    let report_only_until = report_only_until(section, reading);
    let common = name.zip(public_url).map(|(name, public_url)| Common {
        name: name.to_owned(),
        on_loopback: on_loopback && urls::is_loopback(public_url.url()),
        public_url,
        api_url: api_url.map(|url| url.url().clone()),
    });
    let own = (carrier.read)(section, common.as_ref(), reading);
    section.no_other_keys(reading);
    let (Common { name, public_url, .. }, Own { dialect, to_enter, leftovers }) = (common?, own?);
    Some(AccountConfig { name, carrier: carrier.name, public_url, report_only_until, dialect, to_enter, leftovers })
}

/// The carrier that the section names.
fn carrier<'a>(section: &Section<'_>, carriers: &'a [Carrier], reading: &mut Reading<'_>) -> Option<&'a Carrier> {
    let name = section.required_text("carrier", "one, as in carrier = \"twilio\"", reading)?;
    let found = carriers.iter().find(|carrier| carrier.name == name);
    if found.is_none() {
        let supported: Vec<_> = carriers.iter().map(|carrier| format!("{:?}", carrier.name)).collect();
        let supported = supported.join(" or ");
        let meant = did_you_mean(name, carriers.iter().map(|carrier| carrier.name));
        let text = format!("{name:?} is not a known carrier: {meant}use {supported}");
        reading.problem(section, "carrier", text);
    }
    found
}

fn report_only_until(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<Timestamp> {
    let until = section.moment("report_only_until", reading)?;
    let now = reading.now();
    let at = section.named("report_only_until");
    if until > now + Duration::from_secs(REPORT_ONLY_DAYS_MAX * 24 * 60 * 60) {
        let text = format!("is more than {REPORT_ONLY_DAYS_MAX} days ahead: use an earlier time, and extend it later");
        reading.problem(section, "report_only_until", text);
    } else if until > now {
        reading.warning(format!("{at}: until {until} anyone can forge webhooks of this account"));
    } else {
        reading.warning(format!("{at} has passed, and signatures are checked: remove it"));
    }
    Some(until)
}
