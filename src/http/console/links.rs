//! One-time links, which sign a person in without a password: `URL/sign-in#k=SECRET`. The secret is in the fragment, so
//! that no server, proxy or log on the way sees it.

use super::gate::Gate;
use super::people::Person;
use super::sessions::{hash, secret};
use crate::model::Timestamp;
use crate::rules::refusal::{Code, Refusal};
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a link can be used.
const VALID: Duration = Duration::from_secs(10 * 60);
/// Links that wait to be used; more end the oldest.
const WAITING_MAX: usize = 100;

/// The name of the person and the end of each link, by the hash of its secret.
type Waiting = HashMap<[u8; 32], (String, Timestamp)>;

/// The people of the console, and links for them. Clones share them.
#[derive(Clone, Debug)]
pub struct SignInLinks {
    people: Arc<ArcSwap<Vec<Person>>>,
    gate: Arc<Gate>,
    waiting: Arc<Mutex<Waiting>>,
}

/// A link that was made.
pub(in crate::http) struct Link {
    pub(in crate::http) url: String,
    pub(in crate::http) expires_at: Timestamp,
    /// The person it signs in.
    pub(in crate::http) name: String,
}

/// A link that is used up.
pub(super) struct Taken {
    hash: [u8; 32],
    name: String,
    until: Timestamp,
}

impl SignInLinks {
    /// For these people, at a console with these addresses.
    pub fn new(people: Vec<Person>, gate: Gate) -> Self {
        Self { people: Arc::new(ArcSwap::from_pointee(people)), gate: Arc::new(gate), waiting: Arc::default() }
    }

    /// A link for this person, or for the only one there is.
    pub(in crate::http) fn make(&self, name: Option<&str>, now: Timestamp) -> Result<Link, Refusal> {
        let people = self.people.load();
        let unknown = |detail: String| Refusal::new(Code::NotFound, detail);
        let known = || people.iter().map(|person| person.name.as_str()).collect::<Vec<_>>().join(", ");
        let person = match (name, &people[..]) {
            (_, []) => Err(unknown("nobody may use the console: add a [[console.person]] and reload".to_owned())),
            (None, [only]) => Ok(only),
            (None, _) => Err(Refusal::new(Code::InvalidField, format!("as is missing: name one of {}", known()))),
            (Some(name), all) => all
                .iter()
                .find(|person| person.name == name)
                .ok_or_else(|| unknown(format!("as names {name:?}, who is not configured: use one of {}", known()))),
        }?;
        let secret = secret().map_err(|_| super::super::answer::internal())?;
        let expires_at = now + VALID;
        let mut waiting = self.waiting.lock().expect("nothing panics while it holds this lock");
        waiting.retain(|_, (_, until)| *until > now);
        if waiting.len() >= WAITING_MAX {
            let oldest = waiting.iter().min_by_key(|(_, (_, until))| *until).map(|(hash, _)| *hash);
            oldest.and_then(|oldest| waiting.remove(&oldest));
        }
        waiting.insert(hash(&secret), (person.name.clone(), expires_at));
        let url = format!("{}/sign-in#k={secret}", self.gate.url());
        Ok(Link { url, expires_at, name: person.name.clone() })
    }

    /// A link for the only person, as the demo prints it.
    pub fn url(&self, now: Timestamp) -> Option<String> {
        self.make(None, now).ok().map(|link| link.url)
    }

    /// Uses a link up, and returns its person, and the link, for when the sign-in cannot be written.
    pub(super) fn take(&self, secret: &str, now: Timestamp) -> Option<(Person, Taken)> {
        let mut waiting = self.waiting.lock().expect("nothing panics while it holds this lock");
        let (name, until) = waiting.remove(&hash(secret))?;
        let person = if until > now { self.person(&name) } else { None }?;
        Some((person, Taken { hash: hash(secret), name, until }))
    }

    /// Makes a link usable again that signed nobody in.
    pub(super) fn give_back(&self, Taken { hash, name, until }: Taken) {
        let mut waiting = self.waiting.lock().expect("nothing panics while it holds this lock");
        waiting.insert(hash, (name, until));
    }

    /// The person of this name.
    pub(super) fn person(&self, name: &str) -> Option<Person> {
        self.people.load().iter().find(|person| person.name == name).cloned()
    }

    /// Replaces the people.
    pub(super) fn replace(&self, people: Vec<Person>) {
        self.people.store(Arc::new(people));
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api::Scope;

    fn links(names: &[&str]) -> SignInLinks {
        let person = |name: &&str| Person {
            name: (*name).to_owned(),
            scopes: [Scope::Read].into(),
            texts: true,
            password: None,
        };
        SignInLinks::new(
            names.iter().map(person).collect(),
            Gate { address: ([127, 0, 0, 1], 8082).into(), tls: false, public_url: None },
        )
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_ms(1_796_000_000_000) + Duration::from_secs(secs)
    }

    #[test]
    fn a_link_signs_its_person_in_once_within_ten_minutes() {
        let links = links(&["anna", "bruno"]);
        let link = links.make(Some("bruno"), at(0)).ok().unwrap();
        let secret = link.url.strip_prefix("http://127.0.0.1:8082/sign-in#k=").unwrap().to_owned();
        assert_eq!((secret.len(), link.expires_at), (43, at(600)));
        let (person, link) = links.take(&secret, at(599)).unwrap();
        assert_eq!(person.name, "bruno");
        links.give_back(link);
        assert!(links.take(&secret, at(599)).is_some(), "the sign-in could not be written");
        assert!(links.take(&secret, at(599)).is_none(), "once");
        let late = links.make(Some("anna"), at(0)).ok().unwrap();
        assert!(links.take(late.url.split("#k=").nth(1).unwrap(), at(600)).is_none());
        assert!(links.take("", at(0)).is_none());
    }

    #[test]
    fn a_link_is_for_somebody_who_is_configured() {
        let detail = |links: &SignInLinks, name| links.make(name, at(0)).err().unwrap().detail;
        assert!(detail(&links(&[]), None).contains("add a [[console.person]]"));
        assert!(detail(&links(&["anna", "bruno"]), None).contains("name one of anna, bruno"));
        assert!(detail(&links(&["anna"]), Some("carla")).contains("use one of anna"));
        assert!(links(&["anna"]).make(None, at(0)).is_ok());
    }
}
