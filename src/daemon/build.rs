//! Builds parts from a configuration: accounts, endpoints of webhooks, limits of doors.

use super::StartFailed;
use super::doors::OPENED;
use crate::config::{self, AccountConfig, Config};
use crate::net::{Bounds, Client, ClientBounds, Shares, connections_that_fit, descriptors_max};
use crate::observe;
use crate::work::{Account, Accounts, Endpoint, EndpointStatus, HttpLink, feed};
use standardwebhooks::Webhook;
use std::collections::HashMap;
use std::sync::Arc;

/// The configured limits, reduced to the process's file descriptors, which the doors share.
pub(super) fn shared_bounds(config: &Config) -> Bounds {
    let bounds = config.limits.bounds();
    let descriptors = descriptors_max();
    let shares = Shares::of(connections_that_fit(descriptors), OPENED.len());
    if shares.most() < bounds.connections_max {
        observe::few_descriptors(descriptors, shares.most(), bounds.connections_max);
    }
    Bounds { shares: Some(shares), ..bounds }
}

/// The connections of each account, by name. They outlive a reload.
pub(super) fn links(accounts: &[AccountConfig]) -> HashMap<String, HttpLink> {
    accounts.iter().map(|account| (account.name.clone(), HttpLink::new(ClientBounds::default()))).collect()
}

/// The accounts that have a link. An account that is new in the configuration has none before a restart.
pub(super) fn accounts(accounts: &[AccountConfig], links: &HashMap<String, HttpLink>) -> Vec<Account> {
    let linked = accounts.iter().filter_map(|config| Some((config, links.get(&config.name)?)));
    let built = linked.map(|(config, link)| Account {
        carrier: config.carrier,
        public_url: Some(config.public_url.clone()),
        report_only_until: config.report_only_until,
        ..Account::http(&config.name, Arc::clone(&config.dialect), link.clone())
    });
    built.collect()
}

/// The names of the accounts whose carriers have a list of messages.
pub(super) fn listing(accounts: &Accounts) -> Vec<String> {
    let accounts = accounts.all().into_iter().filter(|account| account.lists.is_some());
    accounts.map(|account| account.name.to_string()).collect()
}

/// All endpoints.
pub(super) fn endpoints(config: &Config) -> Result<Vec<Endpoint>, StartFailed> {
    let one = |endpoint: &config::Endpoint| {
        let wrong = |problem: String| StartFailed::Endpoint { name: endpoint.name.clone(), problem };
        Ok(Endpoint {
            name: endpoint.name.clone(),
            url: endpoint.url.parse().map_err(|error| wrong(format!("url: {error}")))?,
            keys: keys(endpoint)?.into(),
            client: Client::new(ClientBounds {
                idle_max: feed::Bounds::default().in_flight,
                ..ClientBounds::default()
            }),
            events: endpoint.events.clone(),
            status: EndpointStatus::default(),
        })
    };
    config.webhooks.iter().map(one).collect()
}

/// The keys that sign an endpoint's events.
pub(super) fn keys(endpoint: &config::Endpoint) -> Result<Vec<Webhook>, StartFailed> {
    let keys: Result<Vec<_>, _> =
        endpoint.secrets.iter().map(|secret| Webhook::from_bytes(secret.expose().to_vec())).collect();
    keys.map_err(|error| StartFailed::Endpoint {
        name: endpoint.name.clone(),
        problem: format!("a secret cannot be used: {error}"),
    })
}
