//! The people who may use the console, and their passwords.

use crate::http::api::Scope;
use crate::model::Secret;
use argon2::password_hash::{Error, PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The most memory that a password's file may ask for, in KiB: three times what `hash` does.
const MEMORY_MAX_KIB: u32 = 64 * 1024;
/// A password is longer than a PIN and shorter than a file.
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 8..=1_024;

/// A person in the configuration.
#[derive(Clone, Debug)]
pub struct Person {
    /// The name.
    pub name: String,
    /// What the person may do.
    pub scopes: BTreeSet<Scope>,
    /// Whether the person may read texts and media.
    pub texts: bool,
    /// The argon2id string of the password; `None` for who signs in by a link only.
    pub password: Option<Secret>,
}

impl Person {
    /// Changes when anything of the person does, so that sessions of before end.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let scopes: Vec<_> = self.scopes.iter().map(|scope| scope.label()).collect();
        hash.update(format!("{}\n{}\n{}\n", self.name, scopes.join(" "), self.texts));
        hash.update(self.password.as_ref().map(Secret::expose).unwrap_or_default());
        hash.finalize().into()
    }
}

/// Whether a password is this person's. It takes the same time for a person who does not exist or has no password.
pub(super) fn is_right(person: Option<&Person>, password: &str) -> bool {
    /// The string of a password that nobody knows.
    static NOBODYS: LazyLock<Secret> = LazyLock::new(|| {
        let mut random = [0; 32];
        getrandom::fill(&mut random).expect("the system has randomness");
        Secret::new(hash(&STANDARD_NO_PAD.encode(random)).expect("it has a fitting length").as_str())
    });
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;

    let theirs = person.and_then(|person| person.password.as_ref());
    let string = std::str::from_utf8(theirs.unwrap_or(&NOBODYS).expose()).unwrap_or_default();
    let matches = PasswordHash::new(string)
        .is_ok_and(|string| Argon2::default().verify_password(password.as_bytes(), &string).is_ok());
    matches && theirs.is_some()
}

/// The argon2id string of a new password, or what is wrong with it.
pub fn hash(password: &str) -> Result<String, String> {
    if !PASSWORD_BYTES.contains(&password.len()) {
        let (least, most) = (PASSWORD_BYTES.start(), PASSWORD_BYTES.end());
        return Err(format!("a password has {least} to {most} bytes: use some words"));
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| format!("the system has no randomness: {error}"))?;
    let failed = |error: Error| format!("it cannot be hashed: {error}");
    let salt = SaltString::encode_b64(&salt).map_err(failed)?;
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt).map_err(failed)?.to_string())
}

/// What is wrong with the content of a password's file.
pub fn fault(string: &[u8]) -> Option<&'static str> {
    const MAKE: &str = "is not an argon2id string: make one with offhook console password";
    let Some(parsed) = std::str::from_utf8(string).ok().and_then(|text| PasswordHash::new(text).ok()) else {
        return Some(MAKE);
    };
    let params = argon2::Params::try_from(&parsed).ok();
    match params {
        _ if parsed.algorithm != Algorithm::Argon2id.ident() || parsed.hash.is_none() => Some(MAKE),
        None => Some(MAKE),
        Some(params) if params.m_cost() > MEMORY_MAX_KIB => {
            Some("asks for more than 64 MiB: make it again with offhook console password")
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(password: &str) -> Person {
        let password = Some(Secret::new(hash(password).unwrap().as_str()));
        Person { name: "anna".to_owned(), scopes: [Scope::Read].into(), texts: true, password }
    }

    #[test]
    fn only_the_person_with_the_password_is_let_in() {
        let anna = person("correct horse battery");
        assert!(is_right(Some(&anna), "correct horse battery"));
        assert!(!is_right(Some(&anna), "correct horse batterie"));
        assert!(!is_right(Some(&Person { password: None, ..anna }), "correct horse battery"));
        assert!(!is_right(None, "correct horse battery"));
    }

    #[test]
    fn a_file_holds_what_the_command_makes_and_nothing_weaker_or_dearer() {
        let made = hash("correct horse battery").unwrap();
        assert!(made.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{made}");
        assert_eq!(fault(made.as_bytes()), None);
        for bad in ["", "hunter2hunter2", "$2b$12$abcdefghijklmnopqrstuv", &made.replace("argon2id", "argon2i")] {
            assert!(fault(bad.as_bytes()).is_some_and(|why| why.starts_with("is not")), "{bad}");
        }
        let dear = made.replace("m=19456", "m=1000000");
        assert!(fault(dear.as_bytes()).is_some_and(|why| why.contains("64 MiB")));
        assert!(hash("short").is_err() && hash(&"x".repeat(2_000)).is_err());
    }

    #[test]
    fn any_change_of_a_person_changes_the_fingerprint() {
        let anna = person("correct horse battery");
        let others = [
            Person { scopes: [Scope::Read, Scope::Admin].into(), ..anna.clone() },
            Person { texts: false, ..anna.clone() },
            person("correct horse battery"),
        ];
        for other in others {
            assert_ne!(anna.fingerprint(), other.fingerprint());
        }
        assert_eq!(anna.fingerprint(), anna.clone().fingerprint());
    }
}
