//! Sessions: who has signed in, in which browser. A session is a cookie and a key; the page keeps the key, and a cookie
//! that another port of the host sees is worth nothing without it.
//!
//! Invariant: the file holds hashes only. It is written when a session begins or ends, and while sessions are used, so a
//! restart signs nobody out and begins nothing again that has ended.

use super::people::Person;
use crate::model::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Sessions of one person; a further one ends the oldest.
const OF_A_PERSON_MAX: usize = 20;

/// What a session remembers to have read; beyond it, it forgets all, and notes each once more.
const READ_MAX: usize = 1_000;

/// How old the file may become while sessions are used.
const WRITTEN_EVERY: Duration = Duration::from_secs(15);

type Hash = [u8; 32];

/// All sessions of the console.
#[derive(Debug)]
pub(super) struct Sessions {
    file: PathBuf,
    list: Mutex<Vec<Session>>,
    /// Held while the file is written. Requests look at the list meanwhile, however slow the disk is.
    writing: Mutex<()>,
    /// From when on a request has it written again, in milliseconds.
    stale_at_ms: AtomicU64,
    idle: Duration,
    whole: Duration,
}

#[derive(Clone, Debug)]
struct Session {
    id: String,
    person: String,
    fingerprint: Hash,
    cookie: Hash,
    key: Hash,
    began: Timestamp,
    used: Timestamp,
    address: Option<IpAddr>,
    ended: CancellationToken,
    /// What was read in it and is in the audit.
    read: HashSet<String>,
}

/// A session that has just begun.
pub(super) struct Begun {
    pub(super) id: String,
    pub(super) cookie: String,
    pub(super) key: String,
    pub(super) expires_at: Timestamp,
}

/// Whose session a request belongs to.
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) person: String,
    pub(super) fingerprint: Hash,
    /// Cancelled when the session ends.
    pub(super) ended: CancellationToken,
}

impl Sessions {
    /// Reads the sessions in `file`; none if there is no file. What cannot be read is dropped: people sign in again.
    pub(super) fn open(file: &Path, idle: Duration, whole: Duration, now: Timestamp) -> Self {
        let text = fs::read_to_string(file).unwrap_or_default();
        let list = Mutex::new(text.lines().filter_map(read).collect());
        let stale_at_ms = (now + WRITTEN_EVERY).as_ms().into();
        Self { file: file.to_owned(), list, writing: Mutex::default(), stale_at_ms, idle, whole }
    }

    /// The people who have sessions, each with an address from which they signed in.
    pub(super) fn known(&self) -> Vec<(String, IpAddr)> {
        let list = self.list();
        list.iter().filter_map(|session| Some((session.person.clone(), session.address?))).collect()
    }

    /// Whether a request that comes now is to have the file written: one in [`WRITTEN_EVERY`].
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let stale_at = self.stale_at_ms.load(Ordering::Relaxed);
        let next = (now + WRITTEN_EVERY).as_ms();
        now.as_ms() >= stale_at
            && self.stale_at_ms.compare_exchange(stale_at, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Begins a session, unless that cannot be written. Blocks on the disk.
    pub(super) fn begin(&self, person: &Person, address: IpAddr, now: Timestamp) -> io::Result<Begun> {
        let (id, cookie, key) = (secret()?[..16].to_owned(), secret()?, secret()?);
        let mut list = self.list();
        let theirs: Vec<String> =
            list.iter().filter(|session| session.person == person.name).map(|session| session.id.clone()).collect();
        for id in theirs.iter().take((theirs.len() + 1).saturating_sub(OF_A_PERSON_MAX)) {
            end(&mut list, |session| session.id == *id);
        }
        list.push(Session {
            id: id.clone(),
            person: person.name.clone(),
            fingerprint: person.fingerprint(),
            cookie: hash(&cookie),
            key: hash(&key),
            began: now,
            used: now,
            address: Some(address),
            ended: CancellationToken::new(),
            read: HashSet::new(),
        });
        drop(list);
        if let Err(error) = self.write() {
            end(&mut self.list(), |session| session.id == id);
            return Err(error);
        }
        Ok(Begun { id, cookie, key, expires_at: now + self.whole })
    }

    /// The session of this cookie and key. With `is_activity` it is used now.
    pub(super) fn find(&self, cookie: &str, key: &str, is_activity: bool, now: Timestamp) -> Option<Seen> {
        self.end_old(now);
        let mut list = self.list();
        let (cookie, key) = (hash(cookie), hash(key));
        let found = list.iter_mut().find(|session| session.cookie == cookie && session.key == key)?;
        if is_activity {
            found.used = found.used.max(now);
        }
        Some(Seen {
            id: found.id.clone(),
            person: found.person.clone(),
            fingerprint: found.fingerprint,
            ended: found.ended.clone(),
        })
    }

    /// Ends the sessions that nobody used for long, or that began long ago. They stay in the file until it is written
    /// next, with the time of their last use.
    pub(super) fn end_old(&self, now: Timestamp) {
        let (idle, whole) = (self.idle, self.whole);
        end(&mut self.list(), |session| now >= session.used + idle || now >= session.began + whole);
    }

    /// Whether something is read for the first time in a session, as far as that is remembered.
    pub(super) fn reads_first(&self, id: &str, resource: &str) -> bool {
        let mut list = self.list();
        let Some(session) = list.iter_mut().find(|session| session.id == id) else { return true };
        if session.read.len() >= READ_MAX {
            session.read.clear();
        }
        session.read.insert(resource.to_owned())
    }

    /// The sessions of a person, the latest first.
    pub(super) fn of(&self, person: &str, own: &str) -> Value {
        let list = self.list();
        let theirs = list.iter().rev().filter(|session| session.person == person);
        theirs
            .map(|session| {
                json!({
                    "id": session.id,
                    "current": session.id == own,
                    "began_at": session.began.to_string(),
                    "used_at": session.used.to_string(),
                    "expires_at": (session.began + self.whole).to_string(),
                    "address": session.address.map(|address| address.to_string()),
                })
            })
            .collect()
    }

    /// Ends one session of a person; `false` if it does not exist. Blocks on the disk.
    pub(super) fn end(&self, person: &str, id: &str) -> io::Result<bool> {
        self.end_where(|session| session.person == person && session.id == id)
    }

    /// Ends the sessions of people who were removed or changed. Blocks on the disk.
    pub(super) fn keep(&self, people: &[Person]) -> io::Result<bool> {
        let fits = |session: &Session| {
            people.iter().any(|person| person.name == session.person && person.fingerprint() == session.fingerprint)
        };
        self.end_where(|session| !fits(session))
    }

    fn end_where(&self, ends: impl Fn(&Session) -> bool) -> io::Result<bool> {
        let mut list = self.list();
        let before = list.len();
        end(&mut list, ends);
        let ended = list.len() < before;
        drop(list);
        if ended {
            self.write()?;
        }
        Ok(ended)
    }

    fn list(&self) -> MutexGuard<'_, Vec<Session>> {
        self.list.lock().expect("nothing panics while it holds this lock")
    }

    /// Writes the file, unless it is being written. On a disk that hangs nobody queues up for that.
    pub(super) fn write_again(&self) -> io::Result<()> {
        self.writing.try_lock().map_or(Ok(()), |writing| self.write_with(&writing))
    }

    fn write(&self) -> io::Result<()> {
        self.write_with(&self.writing.lock().expect("nothing panics while it holds this lock"))
    }

    /// Writes the file aside, and puts it in place.
    fn write_with(&self, _writing: &MutexGuard<'_, ()>) -> io::Result<()> {
        let lines: String = self.list().iter().map(|session| format!("{}\n", written(session))).collect();
        let directory = self.file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let aside = self.file.with_extension("new");
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, &self.file)?;
        File::open(directory)?.sync_all()
    }
}

fn end(list: &mut Vec<Session>, ends: impl Fn(&Session) -> bool) {
    list.retain(|session| {
        let ends = ends(session);
        if ends {
            session.ended.cancel();
        }
        !ends
    });
}

fn written(session: &Session) -> Value {
    json!({
        "id": session.id,
        "person": session.person,
        "fingerprint": hex(&session.fingerprint),
        "cookie": hex(&session.cookie),
        "key": hex(&session.key),
        "began_ms": session.began.as_ms(),
        "used_ms": session.used.as_ms(),
        "address": session.address.map(|address| address.to_string()),
    })
}

fn read(line: &str) -> Option<Session> {
    let line: Value = serde_json::from_str(line).ok()?;
    let hash = |name: &str| unhex(line[name].as_str()?);
    Some(Session {
        id: line["id"].as_str()?.to_owned(),
        person: line["person"].as_str()?.to_owned(),
        fingerprint: hash("fingerprint")?,
        cookie: hash("cookie")?,
        key: hash("key")?,
        began: Timestamp::from_ms(line["began_ms"].as_u64()?),
        used: Timestamp::from_ms(line["used_ms"].as_u64()?),
        address: line["address"].as_str().and_then(|address| address.parse().ok()),
        ended: CancellationToken::new(),
        read: HashSet::new(),
    })
}

/// 256 random bits, in base64 as URLs and cookies take it.
pub(super) fn secret() -> io::Result<String> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

/// What is kept of a secret. It has 256 random bits, so one round is enough.
pub(super) fn hash(secret: &str) -> Hash {
    Sha256::digest(secret).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Hash> {
    let pairs: Option<Vec<u8>> =
        (0..32).map(|nth| u8::from_str_radix(text.get(2 * nth..2 * nth + 2)?, 16).ok()).collect();
    pairs?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api::Scope;

    const IDLE: Duration = Duration::from_secs(15 * 60);
    const WHOLE: Duration = Duration::from_secs(8 * 60 * 60);

    fn at(minutes: u64) -> Timestamp {
        Timestamp::from_ms(1_796_000_000_000) + Duration::from_secs(minutes * 60)
    }

    fn person(name: &str) -> Person {
        Person { name: name.to_owned(), scopes: [Scope::Read].into(), texts: true, password: None }
    }

    fn address() -> IpAddr {
        "127.0.0.1".parse().unwrap()
    }

    #[test]
    fn a_session_is_a_cookie_and_its_key_and_neither_alone() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("console/sessions");
        let sessions = Sessions::open(&file, IDLE, WHOLE, at(0));
        let anna = sessions.begin(&person("anna"), address(), at(0)).unwrap();
        let bruno = sessions.begin(&person("bruno"), address(), at(0)).unwrap();
        assert_eq!(sessions.find(&anna.cookie, &anna.key, true, at(1)).unwrap().person, "anna");
        assert!(sessions.find(&anna.cookie, &bruno.key, true, at(1)).is_none());
        assert!(sessions.find(&anna.cookie, "", true, at(1)).is_none());

        let written = fs::read_to_string(&file).unwrap();
        assert!(!written.contains(&anna.cookie) && !written.contains(&anna.key), "{written}");
        let again = Sessions::open(&file, IDLE, WHOLE, at(2));
        assert!(again.find(&anna.cookie, &anna.key, true, at(3)).is_some(), "a restart signs nobody out");
    }

    #[test]
    fn a_restart_knows_when_sessions_were_used_last() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("sessions");
        let sessions = Sessions::open(&file, IDLE, WHOLE, at(0));
        let anna = sessions.begin(&person("anna"), address(), at(0)).unwrap();
        assert!(sessions.find(&anna.cookie, &anna.key, true, at(14)).is_some());
        assert!(sessions.is_due(at(14)) && !sessions.is_due(at(14)), "once");
        {
            let _stalled = sessions.writing.lock().unwrap();
            sessions.write_again().unwrap();
        }
        sessions.write_again().unwrap();

        let again = |minutes| Sessions::open(&file, IDLE, WHOLE, at(minutes));
        assert!(again(28).find(&anna.cookie, &anna.key, true, at(28)).is_some());
        assert!(again(29).find(&anna.cookie, &anna.key, true, at(29)).is_none(), "what has ended stays so");
        assert_eq!(again(28).known(), [("anna".to_owned(), address())]);
    }

    #[test]
    fn a_session_that_cannot_be_written_is_none() {
        let place = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(&place.path().join("sessions"), IDLE, WHOLE, at(0));
        let anna = sessions.begin(&person("anna"), address(), at(0)).unwrap();
        fs::create_dir(place.path().join("sessions.new")).unwrap();
        assert!(sessions.begin(&person("anna"), address(), at(0)).is_err());
        assert!(sessions.find(&anna.cookie, &anna.key, true, at(1)).is_some());
        assert_eq!(sessions.of("anna", "").as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn a_session_is_found_while_the_file_is_written() {
        let place = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(&place.path().join("sessions"), IDLE, WHOLE, at(0));
        let anna = sessions.begin(&person("anna"), address(), at(0)).unwrap();
        let _stalled = sessions.writing.lock().unwrap();
        assert!(sessions.find(&anna.cookie, &anna.key, true, at(1)).is_some());
    }

    #[test]
    fn a_session_ends_after_idle_minutes_and_hours_in_all() {
        let place = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(&place.path().join("sessions"), IDLE, WHOLE, at(0));
        let one = sessions.begin(&person("anna"), address(), at(0)).unwrap();
        let seen = sessions.find(&one.cookie, &one.key, false, at(14)).unwrap();
        assert!(sessions.find(&one.cookie, &one.key, true, at(15)).is_none(), "what is no activity keeps nothing");
        assert!(seen.ended.is_cancelled());

        let busy = sessions.begin(&person("anna"), address(), at(0)).unwrap();
        for minutes in (10..480).step_by(10) {
            assert!(sessions.find(&busy.cookie, &busy.key, true, at(minutes)).is_some(), "{minutes}");
        }
        assert!(sessions.find(&busy.cookie, &busy.key, true, at(480)).is_none());
    }

    #[test]
    fn sessions_of_who_was_changed_or_removed_end() {
        let place = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(&place.path().join("sessions"), IDLE, WHOLE, at(0));
        let (anna, bruno) = (person("anna"), person("bruno"));
        let [a, b] = [&anna, &bruno].map(|person| sessions.begin(person, address(), at(0)).unwrap());
        assert!(!sessions.keep(&[anna.clone(), bruno.clone()]).unwrap());
        assert!(sessions.keep(&[Person { texts: false, ..anna }, bruno]).unwrap());
        assert!(sessions.find(&a.cookie, &a.key, true, at(1)).is_none());
        assert!(sessions.find(&b.cookie, &b.key, true, at(1)).is_some());
    }

    #[test]
    fn a_person_has_twenty_sessions_and_can_end_each_of_their_own() {
        let place = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(&place.path().join("sessions"), IDLE, WHOLE, at(0));
        let all: Vec<_> = (0..21).map(|_| sessions.begin(&person("anna"), address(), at(0)).unwrap()).collect();
        assert!(sessions.find(&all[0].cookie, &all[0].key, true, at(1)).is_none());
        assert_eq!(sessions.of("anna", &all[20].id).as_array().unwrap().len(), 20);
        assert_eq!(sessions.of("anna", &all[20].id)[0]["current"], true);
        assert!(!sessions.end("bruno", &all[5].id).unwrap(), "it is not his");
        assert!(sessions.end("anna", &all[5].id).unwrap());
        assert!(sessions.find(&all[5].cookie, &all[5].key, true, at(1)).is_none());
    }
}
