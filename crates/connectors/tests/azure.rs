//! A copy of a vault in Azure Blob, as far as the emulator goes: it takes the headers of locks and
//! drops them, answers 501 to what would set one later, and knows no versions. What a real account
//! makes of them is not tried here; that the emulator's not knowing is told is.

mod common;

use common::{
    NOON, Place, below, noise,
    peers::azurite,
    plant,
    site::{Watch, mirror, proved},
    tree,
};
use connectors::{buckets, vault_http::Access};
use std::fs;
use vault::{
    Policy, Vault,
    site::{
        Calendar, Pace,
        bucket::{Bucket, Deposit, Deposited, Lock, Mode, Rules, Until, Withdrawal},
    },
    verify::{Demands, verify},
};

/// The account and key that every emulator has.
const CREDENTIALS: &str = concat!(
    "devstoreaccount1:",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/",
    "K1SZFPTOtr/KBHBeksoGMGw=="
);

fn bucket(port: u16, credentials: &str) -> Box<dyn Bucket> {
    let access = Access { credentials: Some(credentials.into()), ..Access::default() };
    let address = format!("azure:http://127.0.0.1:{port}/devstoreaccount1/plant/press");
    buckets::at(&address, None, &access).unwrap().unwrap()
}

fn deposit(place: &Place, bucket: &dyn Bucket, mode: Option<Mode>) -> vault::Result<Deposited> {
    let clock = Watch::ahead(0);
    let pace = Pace { clock: &clock, bytes_per_second: None, calendar: Calendar::default() };
    let rules = Rules { mode, days: 30, days_max: 400 };
    let deposit = Deposit { bucket, pace: &pace, rules, tries_max: 2 };
    deposit.run(&Vault::open(&place.vault()).unwrap())
}

#[test]
fn a_copy_in_azure_blob_proves_itself_and_restores() {
    let Some(server) = azurite("plant") else { return };
    let place = Place::with_vault(Policy::default());
    plant(&place.at("plant"));
    // More than a block.
    fs::write(place.at("plant/archive"), noise(4, 9_500_000)).unwrap();
    place.backup_files(&place.at("plant"), 1);
    let store = bucket(server.port, CREDENTIALS);
    let done = deposit(&place, &*store, None).unwrap();
    assert!(done.objects_sent > 8 && done.standing.missing.is_empty(), "{done:?}");
    let again = deposit(&place, &*store, None).unwrap();
    assert_eq!((again.objects_sent, again.standing.covered.len()), (0, 0));
    let stored = Withdrawal::begin(bucket(server.port, CREDENTIALS)).unwrap();
    assert_eq!(verify(&stored, &Demands::default()), proved(&place.vault()));
    let copy = place.at("copy");
    mirror(&stored, &copy).unwrap();
    let vault = Vault::open(&copy).unwrap().unlock(Some(&place.key())).unwrap();
    let out = place.at("out");
    let done = vault.restore(&vault.find("latest").unwrap(), &out, None, NOON).unwrap();
    assert_eq!(done.errors, []);
    assert_eq!(tree(&below(&out, &place.at("plant"))), tree(&place.at("plant")));
    // A container without version-level immutability takes no locks, and it is said.
    let refused = deposit(&place, &*store, Some(Mode::Compliance)).unwrap_err().to_string();
    assert!(refused.contains("version-level immutability"), "{refused}");
    // The emulator checks the signature.
    let wrong = CREDENTIALS.replace("Eby8", "Fby8");
    let refused =
        format!("{:?}", deposit(&place, &*bucket(server.port, &wrong), None).unwrap_err());
    assert!(refused.contains("403"), "{refused}");
}

#[test]
fn a_store_that_cannot_lock_says_so_at_once() {
    let Some(server) = azurite("plant") else { return };
    let place = Place::with_vault(Policy::default());
    plant(&place.at("plant"));
    place.backup_files(&place.at("plant"), 1);
    let store = bucket(server.port, CREDENTIALS);
    deposit(&place, &*store, None).unwrap();
    let listed = store.list().unwrap();
    let (path, versions) = listed.iter().next().unwrap();
    // No versions: one of each, without a name.
    assert!(versions.len() == 1 && versions[0].id.is_none() && versions[0].newest);
    assert_eq!(store.lock(path, None).unwrap(), Lock::default());
    for mode in [Mode::Governance, Mode::Compliance] {
        let until = Until { time: NOON.plus_secs(400 * 86_400), mode };
        let refused = store.extend(path, None, until).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::Unsupported);
        let refused = refused.to_string();
        let words = ["cannot lock", "no immutability policies", "501", "APINotImplemented"];
        words.iter().for_each(|word| assert!(refused.contains(word), "{word} in {refused}"));
    }
    for on in [true, false] {
        let refused = store.hold(path, None, on).unwrap_err().to_string();
        assert!(refused.contains("cannot lock: it knows no legal holds"), "{refused}");
    }
    let refused = deposit(&place, &*store, Some(Mode::Governance)).unwrap_err().to_string();
    assert!(refused.contains("version-level immutability"), "{refused}");
    // Nothing was locked by all that.
    assert_eq!(store.lock(path, None).unwrap(), Lock::default());
}
