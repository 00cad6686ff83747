//! Two sites exchange their parts and come back, as the guide says it, with two servers running.

#![cfg(all(feature = "vault", feature = "control-plane"))]

mod place;

use place::{Place, SPANDREL};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

const GUIDE: &str = include_str!("../../../docs/recovery.md");

/// Killed when dropped, as by a power cut.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Both sites below one folder, with the edge's key and plant.
struct Sites {
    place: Place,
    servers: Vec<(Running, String, &'static str)>,
}

impl Sites {
    fn new() -> Self {
        let place = Place::with_plant();
        for folder in ["etc", "srv/plc", "srv/site-a", "srv/site-b", "bin"] {
            fs::create_dir_all(place.at(folder)).unwrap();
        }
        std::os::unix::fs::symlink(SPANDREL, place.at("bin/spandrel")).unwrap();
        fs::write(place.at("srv/plc/line.cfg"), "speed=36000\n").unwrap();
        fs::write(place.at("srv/plc/historian"), vec![7; 3_000_000]).unwrap();
        let mut sites = Self { place, servers: Vec::new() };
        sites.line("spandrel vault init /srv/site-a/press --key-file /etc/spandrel/press.key");
        sites.backup("site-a");
        for site in ["site-a", "site-b"] {
            sites.serve(site);
        }
        sites
    }

    fn serve(&mut self, site: &'static str) {
        let (letter, other) = if site == "site-a" { ("a", "site-b") } else { ("b", "site-a") };
        let clients = format!("@clients-{letter}");
        let root = format!("@srv/{site}");
        let enrol = |name: &str, role: &str, file: &str| {
            let made = ["vault", "client", name, "--role", role, "--vault", "press"];
            let made = self.place.run(&[&made[..], &["--clients", &clients]].concat());
            assert!(made.status.success(), "{made:?}");
            fs::write(self.place.at(file), made.stdout).unwrap();
        };
        enrol(other, "mirror", &format!("{other}.token"));
        enrol("edge", "edge", &format!("edge-{letter}.token"));
        let serve = ["vault", "serve", &root, "--clients", &clients, "--no-immutable"];
        let mut command = self.place.command(&[&serve[..], &["--listen", "127.0.0.1:0"]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("https"), "{line}");
        let ca = self.place.at(&format!("srv/{site}/.site/tls/ca.pem"));
        fs::copy(ca, self.place.at(&format!("ca-{letter}.pem"))).unwrap();
        self.servers.push((Running(child), line.trim().to_owned(), site));
    }

    /// A line of the guide, as it stands there but for its paths and addresses.
    fn try_line(&self, line: &str) -> (bool, String) {
        let root = self.place.root().display().to_string();
        let mut here = line
            .replace("/srv/", &format!("{root}/srv/"))
            .replace("/etc/spandrel/", &format!("{root}/etc/"))
            .replace("vault mirror", "vault mirror --no-immutable")
            .replace("vault failback", "vault failback --no-immutable");
        for (_, address, site) in &self.servers {
            here = here.replace(&format!("https://vault.{site}:8445"), address);
        }
        let path = format!("{root}/bin:{}", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command.args(["-e", "-c", &here]).env("PATH", path).current_dir(self.place.root());
        let output = command.env_remove("SPANDREL_VAULT_KEY_FILE").output().unwrap();
        (output.status.success(), format!("{line}: {output:?}"))
    }

    #[track_caller]
    fn line(&self, line: &str) {
        let (fine, said) = self.try_line(line);
        assert!(fine, "{said}");
    }

    #[track_caller]
    fn refused(&self, line: &str, why: &str) {
        let (fine, said) = self.try_line(line);
        assert!(!fine && said.contains(why), "{said}");
    }

    fn backup(&self, site: &str) {
        self.line(&backup(&format!("/srv/{site}/press")));
    }

    fn list(&self, vault: &str) -> Vec<Value> {
        let list = ["vault", "list", vault, "--key-file", "@etc/press.key"];
        self.place.json(&list, 0).as_array().unwrap().clone()
    }

    fn verified(&self, vault: &str) {
        assert_eq!(self.place.json(&["vault", "verify", vault], 0)["problems"], json!([]));
    }
}

fn backup(vault: &str) -> String {
    let key = "--key-file /etc/spandrel/press.key --asset press-4 --source files:/srv/plc";
    format!("spandrel backup --vault {vault} {key}")
}

fn guide() -> Vec<&'static str> {
    let text = GUIDE.split("tests/failback.rs -->").nth(1).expect("the guide is marked");
    let block = text.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    block.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn the_sites_exchange_their_parts_and_come_back_and_nothing_of_either_is_lost() {
    let sites = Sites::new();
    let lines = guide();
    assert_eq!(lines.len(), 9, "{lines:?}");
    let mirror_to_b = lines[8];
    sites.line(mirror_to_b);
    // What A wrote last never reached B.
    fs::write(sites.place.at("srv/plc/line.cfg"), "speed=1\n").unwrap();
    sites.backup("site-a");
    let lost = sites.list("@srv/site-a/press").last().unwrap()["id"].clone();

    sites.line(lines[0]);
    fs::write(sites.place.at("srv/plc/line.cfg"), "speed=2\n").unwrap();
    sites.line(lines[1]);
    // A comes back and is what it was: nothing of its own gets into B's vault any more.
    sites.refused(mirror_to_b, "this vault is written here");
    let push = "spandrel vault push /srv/site-a/press https://vault.site-b:8445/press \
                --token-file edge-b.token --ca ca-b.pem --tries 1";
    sites.refused(push, "");
    sites.verified("@srv/site-b/press");

    sites.line(lines[2]);
    let beside = fs::read_dir(sites.place.at("srv/site-a")).unwrap().flatten();
    let kept: Vec<_> = beside
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("press."))
        .collect();
    assert_eq!(kept.len(), 1, "one vault is kept and nothing else: {kept:?}");
    let kept = format!("@srv/site-a/{}", kept[0]);
    assert!(sites.list(&kept).iter().any(|row| row["id"] == lost), "A's own backup is there");
    let id = lost.as_str().unwrap();
    let restore = ["vault", "restore", &kept, id, "--to", "@out", "--key-file", "@etc/press.key"];
    assert_eq!(sites.place.json(&restore, 0)["errors"], json!([]));
    let back = sites.place.at("out").join(
        sites.place.at("srv/plc/line.cfg").canonicalize().unwrap().strip_prefix("/").unwrap(),
    );
    assert_eq!(fs::read_to_string(back).unwrap(), "speed=1\n");
    sites.refused(&backup(&kept.replace("@srv", "/srv")), "set aside");
    sites.verified(&kept);
    sites.verified("@srv/site-a/press");
    assert!(sites.list("@srv/site-a/press").iter().all(|row| row["id"] != lost));
    sites.refused(&backup("/srv/site-a/press"), "copy of one elsewhere");

    // Reprotected: what B writes comes to A.
    sites.backup("site-b");
    sites.line(lines[3]);
    assert_eq!(sites.list("@srv/site-a/press").len(), 3);

    sites.line(lines[4]);
    sites.refused(&backup("/srv/site-b/press"), "copy of one elsewhere");
    for line in &lines[5..] {
        sites.line(line);
    }
    let compare = ["vault", "recover", "compare", "@srv/site-a/press", "@srv/site-b/press"];
    let compared = sites.place.json(&compare, 0);
    assert_eq!(
        (&compared["only_a"]["entries"], &compared["only_b"]["entries"]),
        (&json!(0), &json!(0))
    );
    for site in ["@srv/site-a/press", "@srv/site-b/press"] {
        sites.verified(site);
        assert_eq!(sites.list(site).len(), 4, "{site}");
    }
}

#[test]
fn a_failback_takes_over_the_link_only_what_the_other_side_added() {
    let sites = Sites::new();
    let lines = guide();
    sites.line(lines[8]);
    sites.line(lines[0]);
    fs::write(sites.place.at("srv/plc/line.cfg"), "speed=2\n").unwrap();
    sites.line(lines[1]);
    let from = sites.servers.iter().find(|(_, _, site)| *site == "site-b").unwrap().1.clone();
    let from = format!("{from}/press");
    let failback = [
        "vault",
        "failback",
        &from,
        "@srv/site-a/press",
        "--token-file",
        "@site-a.token",
        "--ca",
        "@ca-b.pem",
        "--no-immutable",
    ];
    let done = sites.place.json(&failback, 0);
    assert_eq!((&done["common"], &done["kept"]), (&json!(2), &Value::Null), "{done}");
    let (copied, seeded) = (&done["copied"]["objects_copied"], &done["copied"]["objects_seeded"]);
    assert!(seeded.as_u64() >= Some(4), "{done}");
    assert!(copied.as_u64() < seeded.as_u64().map(|n| n + 4), "{done}");
    sites.verified("@srv/site-a/press");
    let names = fs::read_dir(sites.place.at("srv/site-a")).unwrap().flatten();
    let left: Vec<_> =
        names.filter(|n| n.file_name().to_string_lossy().contains("press.")).collect();
    assert!(left.is_empty(), "nothing was kept of what is whole in the copy: {left:?}");
    assert_eq!(sites.place.run(&failback).status.code(), Some(0), "again does nothing");
}
