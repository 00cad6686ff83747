//! The `ssh` program as a child: it carries the connection of sources that need one.
//!
//! Keys, known hosts and old algorithms are the matter of its own configuration. A password, when
//! the secrets have one, is handed over by `SSH_ASKPASS`. Invariant: no password is on a command
//! line or in a file, and a server whose key is not known is not talked to.

use super::{login, login::Login, url::Url};
use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Command, Stdio},
};

/// Whether ssh would take a part of the address for an option of its own.
pub fn is_option(url: &Url) -> bool {
    url.host.starts_with('-') || url.user.as_ref().is_some_and(|user| user.starts_with('-'))
}

/// The password of the user that the address names; without a name there are keys only.
pub fn login(url: &Url, secrets: Option<&Path>) -> io::Result<Option<Login>> {
    match &url.user {
        Some(user) => login::find(secrets, &url.host, Some(user)),
        None => Ok(None),
    }
}

/// `ssh` up to the host's name; what is to run there is added by the caller.
pub fn command(url: &Url, login: Option<&Login>, staging: &Path) -> io::Result<Command> {
    let mut ssh = Command::new("ssh");
    ssh.args(["-o", "ConnectTimeout=20", "-o", "ForwardAgent=no", "-o", "ForwardX11=no"]);
    ssh.args(["-o", "StrictHostKeyChecking=yes"]);
    match login {
        None => drop(ssh.args(["-o", "BatchMode=yes"])),
        Some(login) => {
            ssh.args(["-o", "NumberOfPasswordPrompts=1"]);
            ssh.env("SSH_ASKPASS", askpass(staging)?).env("SSH_ASKPASS_REQUIRE", "force");
            ssh.env("SPANDREL_SSH_PASSWORD", &login.password);
        }
    }
    if let Some(config) = url.options.get("config") {
        ssh.arg("-F").arg(config);
    }
    if let Some(port) = url.port {
        ssh.arg("-p").arg(port.to_string());
    }
    if let Some(user) = &url.user {
        ssh.arg("-l").arg(user);
    }
    ssh.stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(ssh)
}

/// A program that says the password that stands in its environment, which others cannot read.
fn askpass(staging: &Path) -> io::Result<std::path::PathBuf> {
    let path = staging.join("askpass");
    let text = "#!/bin/sh\nprintf '%s\\n' \"$SPANDREL_SSH_PASSWORD\"\n";
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o700).open(&path);
    match opened {
        Ok(mut file) => io::Write::write_all(&mut file, text.as_bytes())?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    Ok(path)
}

/// What to say when `ssh` itself is not there.
pub fn cannot_start(error: &io::Error) -> io::Error {
    io::Error::other(format!("cannot start ssh; install openssh-client: {error}"))
}
