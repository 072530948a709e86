//! Output of `offhook check` for a valid configuration: URLs to enter at the carrier, and values left over from
//! examples.

use super::{AccountConfig, Config};
use crate::directory::Document;
use crate::model::E164;
use std::fmt::Write as _;
use url::Url;

/// Numbers listed in one warning.
const NAMED_MAX: usize = 3;

/// For each account the URLs to enter at its carrier, and what a proxy in front of the carriers' door must do.
pub fn addresses(config: &Config) -> String {
    let mut text = String::new();
    for account in &config.accounts {
        let name = &account.name;
        let prefix = account.public_url.url().path().trim_end_matches('/');
        let proxy = if prefix.is_empty() {
            "must pass path and query on unchanged".to_owned()
        } else {
            format!("must strip {prefix} from the path, and pass the rest and the query on unchanged")
        };
        let _ = writeln!(
            text,
            "account {name}: {}  a proxy before the carriers' door {proxy}; webhooks must arrive at \
             /carriers/{name}/...",
            account.to_enter
        );
    }
    text
}

/// Values left over from an example, one line each: they only work in a test.
pub fn placeholders(config: &Config, seed: Option<&Document>) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(config.accounts.iter().flat_map(placeholders_of));
    for endpoint in config.webhooks.iter().filter(|endpoint| is_example(&endpoint.url)) {
        let at = format!("platform.webhook[{:?}]", endpoint.name);
        found.push(format!("{at}.url is the example's URL: set the platform's"));
    }
    let numbers: Vec<_> =
        seed.iter().flat_map(|seed| seed.directory.numbers.keys()).filter(|n| is_fiction(**n)).collect();
    if !numbers.is_empty() {
        let named: Vec<_> = numbers.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        let more = if numbers.len() > NAMED_MAX { " and others" } else { "" };
        let (named, count) = (named.join(", "), numbers.len());
        found.push(format!("the seed has {count} numbers that are reserved for fiction (555-01xx): {named}{more}"));
    }
    found
}

/// Those of an account.
pub fn placeholders_of(account: &AccountConfig) -> Vec<String> {
    let at = format!("account[{:?}]", account.name);
    let example = is_example(account.public_url.written());
    let example = example.then(|| format!("{at}.public_url is the example's URL: set the one that the carrier calls"));
    example.into_iter().chain(account.leftovers.iter().cloned()).collect()
}

/// Whether a URL is in a domain reserved for examples.
fn is_example(url: &str) -> bool {
    const DOMAINS: [&str; 6] = ["example.com", "example.net", "example.org", "example", "test", "invalid"];
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    DOMAINS.iter().any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Whether a number is reserved for fiction: 555-0100 to 555-0199 of any area code.
fn is_fiction(number: E164) -> bool {
    let digits = number.to_string();
    digits.strip_prefix("+1").is_some_and(|rest| rest.len() == 10 && rest[3..].starts_with("55501"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f09_example_addresses_and_numbers_are_recognised() {
        for url in ["https://sms.example.com", "https://EXAMPLE.org:8443/x", "http://gw.test", "https://a.invalid/"] {
            assert!(is_example(url), "{url}");
        }
        for url in
            ["https://example.com.acme.io", "https://notexample.com", "https://sms.acme.io", "http://127.0.0.1:9"]
        {
            assert!(!is_example(url), "{url}");
        }
        for (number, fiction) in [
            ("+12065550100", true),
            ("+14155550199", true),
            ("+12065550200", false),
            ("+12065551234", false),
            ("+442065550100", false),
        ] {
            assert_eq!(is_fiction(number.parse().unwrap()), fiction, "{number}");
        }
    }
}
