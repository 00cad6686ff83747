//! Escrow: a vault's key in shares on paper, so that a fire or a dismissal does not take it.
//!
//! Any `needed` of the shares give the key, one fewer gives nothing (Shamir, "How to share a
//! secret", 1979). The key that reads and the key that signs the log are split apart, since who
//! restores need not write history. Invariant: a key is given back only when it hashes to what
//! was split and is the key of the vault that is asked.

mod shamir;
mod sheet;

pub use sheet::{Share, Which};

use crate::{
    digest::Sha256,
    error::{Error, Result},
    event::Event,
    key::{VaultKey, create_signer, random, read_signing_seed, signing_file},
    log::Signer,
    vault::Vault,
};
use model::Time;
use std::path::{Path, PathBuf};

/// Octets of a key that are split with it, so that shares which do not fit are noticed.
const CHECK_BYTES: usize = 4;
const SECRET_BYTES: usize = 32 + CHECK_BYTES;

/// Shares of one key.
pub const SHARES_MAX: u8 = 16;

impl Vault {
    /// Splits a key into `of` shares of which any `needed` give it back; the log tells that.
    pub fn split_key(
        self,
        which: Which,
        key_file: Option<&Path>,
        (needed, of): (u8, u8),
        by: &str,
        now: Time,
    ) -> Result<Vec<Share>> {
        if needed < 2 || needed > of || of > SHARES_MAX {
            let text = format!(
                "{needed} of {of} shares: at least 2 must be needed, and {SHARES_MAX} are the most"
            );
            return Err(Error::Refused(text));
        }
        let path = key_file.unwrap_or(&self.description.key_file).to_owned();
        let unlocked = self.unlock(key_file)?;
        let seed = match which {
            Which::Reading => *VaultKey::read(&path)?.seed(),
            Which::Signing if unlocked.can_sign() => read_signing_seed(&signing_file(&path))?,
            Which::Signing => return Err(Error::NoSigningKey),
        };
        let mut set = [0; 4];
        set.copy_from_slice(&random()?[..4]);
        let values = shamir::split(&checked(which, &seed), needed, of, random)?;
        let share = |(number, value)| Share { which, set, needed, of, number, value };
        let shares = values.into_iter().map(share).collect();
        if unlocked.can_sign() {
            let (set, by) = (sheet::hex(&set), by.to_owned());
            let event = Event::Escrowed { which, set, needed, of, by };
            unlocked.append(now, |_| Ok(event))?;
        }
        Ok(shares)
    }

    /// Puts the key together again and writes it to `to`, or beside it when it is the one that
    /// signs; returns the file, which must not exist.
    pub fn join_key(&self, shares: &[Share], to: &Path) -> Result<PathBuf> {
        let (which, seed) = join(shares)?;
        let (name, log_key) = (&self.log_key.name, &self.log_key);
        let key = VaultKey::from_seed(seed);
        let fits = match (which, &self.description.key_id) {
            (Which::Reading, Some(id)) => *id == key.id(),
            (Which::Reading, None) => key.derived_signer(name).verifying_key() == *log_key,
            (Which::Signing, _) => Signer::from_seed(name, &seed).verifying_key() == *log_key,
        };
        if !fits {
            return Err(Error::Refused("the shares are of the key of another vault".to_owned()));
        }
        match which {
            Which::Reading => VaultKey::create(to, &seed).map(|()| to.to_owned()),
            Which::Signing => {
                let to = signing_file(to);
                create_signer(&to, &seed).map(|()| to)
            }
        }
    }
}

fn join(shares: &[Share]) -> Result<(Which, [u8; 32])> {
    let refuse = |text: String| Err(Error::Refused(text));
    let Some(first) = shares.first() else {
        return refuse("no share was given".to_owned());
    };
    for (at, share) in shares.iter().enumerate() {
        let same = (share.set, share.needed, share.which);
        if same != (first.set, first.needed, first.which) {
            let (a, b) = (first.number, share.number);
            return refuse(format!("shares {a} and {b} are not of the same splitting"));
        }
        if shares[..at].iter().any(|other| other.number == share.number) {
            return refuse(format!("share {} was given twice", share.number));
        }
    }
    let needed = usize::from(first.needed);
    let Some(enough) = shares.get(..needed) else {
        return refuse(format!("{needed} shares are needed, {} were given", shares.len()));
    };
    let points: Vec<_> = enough.iter().map(|share| (share.number, share.value)).collect();
    let secret = shamir::join(&points);
    let mut seed = [0; 32];
    seed.copy_from_slice(&secret[..32]);
    if checked(first.which, &seed) != secret {
        return refuse("the shares do not give a key: one of them is not what it says".to_owned());
    }
    Ok((first.which, seed))
}

fn checked(which: Which, seed: &[u8; 32]) -> [u8; SECRET_BYTES] {
    let mut bytes = [0; SECRET_BYTES];
    bytes[..32].copy_from_slice(seed);
    let hash = Sha256::of_parts(&[b"spandrel vault key in escrow", &[which as u8], seed]);
    bytes[32..].copy_from_slice(&hash.0[..CHECK_BYTES]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHICH: Which = Which::Reading;

    fn shares(needed: u8, of: u8) -> Vec<Share> {
        let values = shamir::split(&checked(WHICH, &[7; 32]), needed, of, random).unwrap();
        values
            .into_iter()
            .map(|(number, value)| Share {
                which: WHICH,
                set: [1, 2, 3, 4],
                needed,
                of,
                number,
                value,
            })
            .collect()
    }

    #[test]
    fn any_two_of_three_give_the_key_and_one_or_strangers_do_not() {
        let three = shares(2, 3);
        for (a, b) in [(0, 1), (0, 2), (1, 2), (2, 0)] {
            let joined = join(&[three[a].clone(), three[b].clone()]).unwrap();
            assert_eq!(joined, (WHICH, [7; 32]));
        }
        let refused = |shares: &[Share]| join(shares).expect_err("refused").to_string();
        assert!(refused(&[]).contains("no share"));
        assert!(refused(&three[..1]).contains("2 shares are needed"));
        assert!(refused(&[three[0].clone(), three[0].clone()]).contains("twice"));
        let mut other = shares(2, 3)[1].clone();
        assert!(refused(&[three[0].clone(), other.clone()]).contains("do not give a key"));
        other.which = Which::Signing;
        assert!(refused(&[three[0].clone(), other.clone()]).contains("same splitting"));
        (other.which, other.set) = (WHICH, [9; 4]);
        assert!(refused(&[three[0].clone(), other]).contains("same splitting"));
    }

    #[test]
    fn a_share_on_its_own_says_nothing_of_the_key() {
        // With one share of two every key is possible: the other share of any key can be found.
        let share = shares(2, 2)[0].clone();
        for wanted in [[0; 32], [0xff; 32], [0x5a; 32]] {
            let secret = checked(WHICH, &wanted);
            let (mut other, x) = (secret, 2);
            // Two points fix a line: at 2 it is secret + 2 * (value + secret) over GF(256).
            for (byte, value) in other.iter_mut().zip(share.value) {
                *byte ^= shamir::multiply(x, value ^ *byte);
            }
            let points = [(1, share.value), (x, other)];
            assert_eq!(shamir::join(&points), secret);
        }
    }
}
