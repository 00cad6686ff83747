//! What the server keeps of itself, as a snapshot may have it.
//!
//! Not here: who may see it. Invariant: a folder that once was the server's own stays so, wherever
//! its data lie by now: backups of it are kept under the path it had then.

use std::path::{Path, PathBuf};
use store::Store;

/// The plan that keeps the server's own state, wherever its sources lie.
pub(crate) const CONTROL_PLANE: &str = "Control plane";
/// Name of the setting that has every folder the data ever lay in.
const DATA_FOLDERS: &str = "data-folders";

/// A folder as it was named, and as it is without links.
pub(crate) fn paths_of(folder: &Path) -> [PathBuf; 2] {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let real = std::fs::canonicalize(folder).unwrap_or_else(|_| whole.clone());
    [whole, real]
}

/// Every folder in which the data are known to have lain.
pub(crate) async fn folders(store: &Store) -> store::Result<Vec<PathBuf>> {
    let value = store.setting(DATA_FOLDERS).await?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default())
}

/// Notes where the data lie.
pub(crate) async fn remember(store: &Store, data: &Path) -> store::Result<()> {
    let mut known = folders(store).await?;
    let before = known.len();
    for path in paths_of(data) {
        if !known.contains(&path) {
            known.push(path);
        }
    }
    if known.len() == before {
        return Ok(());
    }
    let value = known.iter().map(|path| path.to_string_lossy().into_owned());
    store.set_setting(DATA_FOLDERS, value.collect::<Vec<_>>().into()).await
}
