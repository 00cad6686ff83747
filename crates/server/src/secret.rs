//! Random secrets, their hashes, and passwords.
//!
//! Not here: where they are kept. Invariant: what is kept is a hash; secrets are compared in
//! constant time; a password is checked the same way whether or not the user exists.

use crate::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, PASSWORD_CHECKS_MAX};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes any text");
    }
    text
}

/// `N` random bytes, hexadecimal.
pub(crate) fn random<const N: usize>() -> String {
    let mut bytes = [0u8; N];
    SystemRandom::new().fill(&mut bytes).expect("the system has a source of randomness");
    hex(&bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

/// Equal? Takes as long for a near miss as for a far one.
pub(crate) fn same(a: &str, b: &str) -> bool {
    let differ = a.bytes().zip(b.bytes()).fold(0u8, |sum, (x, y)| sum | (x ^ y));
    a.len() == b.len() && differ == 0
}

/// An API token: a prefix scanners know, 32 random bytes, and a checksum that tells a mistyped
/// token from a revoked one without a look into the database.
pub(crate) fn new_token() -> String {
    let body = random::<32>();
    format!("spn_{body}{}", checksum(&body))
}

fn checksum(body: &str) -> String {
    sha256(body.as_bytes())[..8].to_owned()
}

/// Is it a token of ours, as far as its form tells?
pub(crate) fn is_token(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("spn_") else { return false };
    let Some((body, sum)) = rest.split_at_checked(64) else { return false };
    body.bytes().all(|b| b.is_ascii_hexdigit()) && same(sum, &checksum(body))
}

/// The user of the first sign-in.
pub(crate) const FIRST_ADMIN: &str = "admin";

/// The token of a sign-in link: whose password it sets, so that the page and the audit can say it,
/// and 24 random bytes.
pub(crate) fn link_token(user: &str) -> String {
    format!("{user}.{}", random::<24>())
}

/// Whose password a link says that it sets; the hash of the whole is what proves it.
pub(crate) fn user_of_link(token: &str) -> String {
    let user = token.rsplit_once('.').map(|(user, _)| user).filter(|user| !user.is_empty());
    user.unwrap_or(FIRST_ADMIN).chars().take(64).collect()
}

/// Why a password will not do.
pub(crate) fn weakness(password: &str, user: &str) -> Option<String> {
    let length = password.chars().count();
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&length) {
        return Some(format!(
            "a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"
        ));
    }
    let first = password.chars().next();
    if password.chars().all(|c| Some(c) == first) || password.to_lowercase().contains(user) {
        return Some("it is easy to guess: no repeated character, not the user's name".to_owned());
    }
    None
}

/// A hash no password has; checking against it takes as long as against a real one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3BhbmRyZWxub2JvZHk$\
    u1v8q0v0m2Zb0o3b8k5H0m0d0C0y0w0n0a0p0e0l0r0";

/// Hashes and checks passwords off the runtime's threads, few at a time: each takes 19 MiB.
pub(crate) struct Passwords(Arc<Semaphore>);

impl Passwords {
    pub(crate) fn new() -> Self {
        Passwords(Arc::new(Semaphore::new(PASSWORD_CHECKS_MAX)))
    }

    /// Argon2id, 19 MiB, two passes (OWASP's minimum), as a PHC text.
    pub(crate) async fn hash(&self, password: String) -> String {
        let work = move || {
            let hash = Argon2::default().hash_password(password.as_bytes());
            hash.expect("the salt is random and the length was checked").to_string()
        };
        self.work(work).await
    }

    /// Is it the password of this hash? Without a hash it takes as long, and is not.
    pub(crate) async fn check(&self, password: String, hash: Option<String>) -> bool {
        let work = move || {
            let known = hash.is_some();
            let text = hash.unwrap_or_else(|| NOBODY.to_owned());
            let Ok(parsed) = PasswordHash::new(&text) else { return false };
            let right = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
            right && known
        };
        self.work(work).await
    }

    /// The place is the work's, not the caller's: work that nobody waits for any more goes on.
    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let place: OwnedSemaphorePermit =
            Arc::clone(&self.0).acquire_owned().await.expect("never closed");
        let work = move || {
            let done = work();
            drop(place);
            done
        };
        tokio::task::spawn_blocking(work).await.expect("work on passwords does not panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_token_is_known_by_its_form() {
        let token = new_token();
        assert!(is_token(&token));
        let mut wrong = token.into_bytes();
        wrong[10] = if wrong[10] == b'0' { b'1' } else { b'0' };
        assert!(!is_token(&String::from_utf8(wrong).expect("ASCII")));
        assert!(!is_token("spn_"));
        assert!(!is_token(""));
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_passes() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse battery".into()).await;
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.check("correct horse battery".into(), Some(hash.clone())).await);
        assert!(!passwords.check("correct horse".into(), Some(hash)).await);
        assert!(!passwords.check("correct horse battery".into(), None).await);
    }

    #[tokio::test]
    async fn a_check_that_nobody_waits_for_any_more_keeps_its_place() {
        let passwords = Passwords::new();
        let (begun, begins) = std::sync::mpsc::channel::<()>();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let work = passwords.work(move || {
            begun.send(()).expect("somebody listens");
            ends.recv().expect("somebody says when");
        });
        assert_eq!(futures_util::FutureExt::now_or_never(work), None);
        begins.recv().expect("it began");
        assert_eq!(passwords.0.available_permits(), PASSWORD_CHECKS_MAX - 1);
        end.send(()).expect("it goes on");
        let all = u32::try_from(PASSWORD_CHECKS_MAX).expect("few");
        drop(passwords.0.acquire_many(all).await.expect("it ended, and gave its place back"));
    }

    #[test]
    fn weak_passwords_are_refused() {
        assert!(weakness("short", "ada").is_some());
        assert!(weakness(&"x".repeat(20), "ada").is_some());
        assert!(weakness("my-name-is-Ada-ok", "ada").is_some());
        assert_eq!(weakness("correct horse battery", "ada"), None);
    }

    #[test]
    fn the_hash_of_nobody_is_well_formed() {
        // Else checking an unknown user would be quicker and tell that it is unknown.
        assert!(PasswordHash::new(NOBODY).is_ok());
    }
}
