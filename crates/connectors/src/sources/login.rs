//! Passwords of sources, out of a file: one line `HOST USER PASSWORD` each, mode 0600.
//!
//! Invariant: a password is on no command line, in no name, log or snapshot.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub password: String,
}

/// The login for `host`, for `user` when one is named; `None` when the file has none.
pub fn find(file: Option<&Path>, host: &str, user: Option<&str>) -> io::Result<Option<Login>> {
    let Some(file) = file else { return Ok(None) };
    if fs::metadata(file)?.permissions().mode() & 0o077 != 0 {
        let text = format!("others may read {}; chmod 600 it", file.display());
        return Err(io::Error::other(text));
    }
    let text = fs::read_to_string(file)?;
    let mut logins = text.lines().filter_map(|line| {
        let (of, rest) = line.trim().split_once(char::is_whitespace)?;
        let (name, password) = rest.trim().split_once(char::is_whitespace)?;
        let fits = of == host && user.is_none_or(|user| user == name);
        fits.then(|| Login { user: name.to_owned(), password: password.trim().to_owned() })
    });
    Ok(logins.next())
}
