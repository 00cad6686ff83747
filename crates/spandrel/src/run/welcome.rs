//! What a person sees when the server has started: where to go, and how to sign in first.
//!
//! Invariant: the sign-in link is printed here and nowhere else; it never reaches the log.

use server::{Server, SignInLink};
use std::{io::Write, net::IpAddr};

/// Prints the box to standard output. Where that takes none the server runs all the same.
pub fn print(server: &Server, lab: bool) {
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(shown(server, lab).as_bytes()).and_then(|()| out.flush());
    if let Err(error) = printed {
        tracing::warn!(
            %error,
            "standard output is closed or full, so where the server runs, and a link to sign in \
             by, could not be printed; to get a link stop it and start it with its output on a \
             terminal or in a file"
        );
    }
}

/// Prints a link that takes the place of the first one.
pub fn print_link(url: &str, link: &SignInLink) {
    let mut lines = link_lines(url, link);
    lines.push("The clock was set, and the link from before works no more.".to_owned());
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(framed(&lines).as_bytes()).and_then(|()| out.flush());
    if let Err(error) = printed {
        tracing::warn!(%error, "a new sign-in link could not be printed");
    }
}

fn link_lines(url: &str, SignInLink { user, token, is_first }: &SignInLink) -> Vec<String> {
    let what = match is_first {
        true => "Sign in for the first time".to_owned(),
        false => format!("Set a new password of {user}"),
    };
    // After the # it never leaves the browser, so it is in no log on the way.
    let link = format!("  {url}/welcome#token={token}");
    vec![format!("{what} (works once, for 24 hours):"), link]
}

/// Where browsers go.
pub fn url(server: &Server) -> String {
    let host = match server.address.ip() {
        ip if ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    };
    format!("https://{host}:{}", server.address.port())
}

fn shown(server: &Server, lab: bool) -> String {
    let url = url(server);
    let mut lines = vec![format!("Spandrel runs at  {url}")];
    if let Some(link) = &server.sign_in {
        lines.push(String::new());
        lines.extend(link_lines(&url, link));
    }
    lines.push(String::new());
    lines.push("The browser warns until it trusts this authority:".to_owned());
    lines.push(format!("  {}", server.authority.display()));
    if let Some(agents) = server.agents {
        lines.push(String::new());
        lines.push(format!("Agents of hosts call port {}.", agents.port()));
    }
    if lab {
        lines.push(String::new());
        lines.push("The lab plant is running: assets appear within seconds.".to_owned());
    }
    lines.push(String::new());
    lines.push("Stop with Ctrl-C.".to_owned());
    framed(&lines)
}

fn framed(lines: &[String]) -> String {
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let bar = "─".repeat(width + 2);
    let mut text = format!("╭{bar}╮\n");
    for line in lines {
        let gap = " ".repeat(width - line.chars().count());
        text.push_str(&format!("│ {line}{gap} │\n"));
    }
    text.push_str(&format!("╰{bar}╯\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_fits_its_longest_line() {
        let text = framed(&["a".into(), "longer é".into()]);
        let widths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert_eq!(widths, [12, 12, 12, 12]);
        assert!(text.contains("│ a        │"));
    }

    #[test]
    fn a_link_is_printed_with_whose_password_it_sets() {
        let (user, token) = ("ada".to_owned(), "secret".to_owned());
        let link = SignInLink { user, token, is_first: false };
        let [what, where_to] = &link_lines("https://h:1", &link)[..] else { panic!("two lines") };
        assert_eq!(what, "Set a new password of ada (works once, for 24 hours):");
        assert_eq!(where_to, "  https://h:1/welcome#token=secret");
    }
}
