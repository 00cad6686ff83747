//! The checkout this program works on.
//!
//! Invariant: cargo's word of where the package lies goes before that of when it was built: a
//! folder of builds may have been copied, or be shared by several checkouts.

use std::path::PathBuf;

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    package.parent().expect("xtask is in the workspace").to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checkout_has_a_workspace_and_this_package() {
        let root = super::root();
        assert!(root.join("Cargo.lock").exists() && root.join("xtask/Cargo.toml").exists());
    }
}
