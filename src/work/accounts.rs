//! The accounts with carriers, as a map that a reload replaces whole.

use super::handover::Handover;
use super::http_carrier::{HttpCarrier, HttpLink, Lists, LookUps};
use super::media::MediaSource;
use crate::carrier::{Dialect, Inbox, PublicUrl};
use crate::model::Timestamp;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// An account with a carrier.
pub struct Account {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its carrier's name in the configuration; empty for an account of a test.
    pub carrier: &'static str,
    /// The URL of the carriers' door as its carrier calls it.
    pub public_url: Option<PublicUrl>,
    /// Its webhooks; `None` if its carrier delivers over a session.
    pub inbox: Option<Arc<dyn Inbox>>,
    /// Until then a webhook that is not verified is counted and accepted (A59).
    pub report_only_until: Option<Timestamp>,
    /// Where its texts go.
    pub handover: Arc<dyn Handover>,
    /// Look-ups of our numbers; `None` if its carrier answers none.
    pub look_ups: Option<Arc<LookUps>>,
    /// Its list of received messages; `None` if its carrier has none.
    pub lists: Option<Arc<Lists>>,
    /// Its media; `None` if its carrier keeps none.
    pub media: Option<Arc<MediaSource>>,
}

impl Account {
    /// An account whose webhooks and sends are HTTP requests in this dialect.
    pub fn http(name: &str, dialect: Arc<dyn Dialect>, link: HttpLink) -> Self {
        let name: Arc<str> = name.into();
        let handover = HttpCarrier::new(Arc::clone(&name), Arc::<dyn Dialect>::clone(&dialect), link.clone());
        let look_ups = Some(Arc::new(LookUps::new(Arc::clone(&dialect), link.clone())));
        let lists = Lists::new(Arc::clone(&dialect), link.clone()).map(Arc::new);
        let media = MediaSource::new(Arc::clone(&dialect), link).map(Arc::new);
        Self {
            name,
            carrier: "",
            public_url: None,
            inbox: Some(dialect),
            report_only_until: None,
            handover: Arc::new(handover),
            look_ups,
            lists,
            media,
        }
    }
}

/// The current accounts, and when a carrier last accepted a text of each. Clones share both.
#[derive(Clone, Default)]
pub struct Accounts(Arc<ArcSwap<AccountMap>>, Arc<Mutex<HashMap<String, Timestamp>>>);

type AccountMap = HashMap<String, Arc<Account>>;

impl Accounts {
    /// The account of that name.
    pub fn get(&self, name: &str) -> Option<Arc<Account>> {
        self.0.load().get(name).cloned()
    }

    /// The account's carrier accepted a text at `at`.
    pub fn succeeded(&self, name: &str, at: Timestamp) {
        let mut successes = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        match successes.get_mut(name) {
            Some(last) => *last = at,
            None => drop(successes.insert(name.to_owned(), at)),
        }
    }

    /// When the account's carrier last accepted a text; `None` if it has not since the gateway started.
    pub fn last_success(&self, name: &str) -> Option<Timestamp> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    /// All accounts, in no order.
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.0.load().values().cloned().collect()
    }

    /// The names of all accounts.
    pub fn names(&self) -> Vec<String> {
        self.0.load().keys().cloned().collect()
    }

    /// Replaces the map by one with these accounts in the place of those of their names. Webhooks and sends in progress
    /// end as they began.
    pub fn renew(&self, accounts: impl IntoIterator<Item = Account>) {
        let mut renewed = (*self.0.load_full()).clone();
        renewed.extend(by_name(accounts));
        self.0.store(Arc::new(renewed));
    }
}

impl FromIterator<Account> for Accounts {
    fn from_iter<I: IntoIterator<Item = Account>>(accounts: I) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(by_name(accounts).collect())), Arc::default())
    }
}

fn by_name(accounts: impl IntoIterator<Item = Account>) -> impl Iterator<Item = (String, Arc<Account>)> {
    accounts.into_iter().map(|account| (account.name.to_string(), Arc::new(account)))
}
