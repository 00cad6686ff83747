//! What changed since somebody asked last: rows anew, and rows that are no more.
//!
//! Not here: how rows are made (`asset`). Invariant: whoever keeps the rows told last, and drops
//! those that were merged, has what [`Inventory::assets`] and [`Inventory::links`] give.

use crate::{
    Inventory,
    asset::{LinkName, join, link_id},
    links::{LinkKey, LinkRecord},
};
use foldhash::fast::FixedState;
use hashbrown::HashSet;
use model::{Address, Asset, AssetId, Link, LinkId};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// Rows that changed since they were last asked for.
#[derive(Debug, Default)]
pub struct Changes {
    pub assets: Vec<Asset>,
    /// (asset that is no more, asset that has its addresses)
    pub merged: Vec<(AssetId, AssetId)>,
    pub links: Vec<Link>,
    /// (link that is no more, link that what it held is told in)
    pub merged_links: Vec<(LinkId, LinkId)>,
}

/// Rows of links to tell, in the order they were found: a part of each leads to its name.
#[derive(Default)]
struct Rows {
    found: Vec<(u64, Option<LinkName>)>,
    seen: HashSet<u64, FixedState>,
}

impl Rows {
    fn add(&mut self, row: u64, name: Option<LinkName>) {
        if self.seen.insert(row) {
            self.found.push((row, name));
        }
    }
}

impl Inventory {
    /// Rows that changed since the last call of this or of [`Self::drain_news`].
    pub fn drain_changes(&mut self) -> Changes {
        let counted = std::mem::take(&mut self.counted);
        counted.iter().for_each(|record| self.changed.insert(record));
        self.drain(true)
    }

    /// Those of which more than counters and times changed: what somebody should know at once.
    /// The others are told by the next [`Self::drain_changes`].
    pub fn drain_news(&mut self) -> Changes {
        for record in self.changed.iter() {
            self.counted.remove(record);
        }
        self.drain(false)
    }

    /// Is something new about any asset that was not drained yet?
    pub fn has_news(&self) -> bool {
        self.changed.iter().next().is_some()
    }

    /// Is something new about the asset of an address that was not drained yet?
    pub fn has_news_of(&self, address: &Address) -> bool {
        self.index.get(address).is_some_and(|record| self.changed.contains(self.root(*record)))
    }

    fn drain(&mut self, counters: bool) -> Changes {
        let assets = self.changed_assets();
        let merged = self.merged_assets();
        let (links, merged_links) = self.changed_links(counters);
        Changes { assets, merged, links, merged_links }
    }

    fn changed_assets(&mut self) -> Vec<Asset> {
        let changed = std::mem::take(&mut self.changed);
        let roots: BTreeSet<u32> = changed.iter().map(|record| self.root(record)).collect();
        let groups = roots.into_iter().map(|root| (root, self.group(root)));
        let shown = |(_, group): &(u32, Vec<u32>)| {
            group.iter().any(|record| self.records[*record as usize].is_shown())
        };
        groups.filter(shown).map(|(root, group)| self.asset_of_group(root, &group)).collect()
    }

    /// Who was merged and stands alone again since is no merge to tell of.
    fn merged_assets(&mut self) -> Vec<(AssetId, AssetId)> {
        let merged = std::mem::take(&mut self.merged);
        let merged = merged.iter().map(|from| (from, self.root(from)));
        let merged: BTreeSet<_> = merged
            .filter(|(from, root)| from != root)
            .map(|(from, root)| (self.id_of(from), self.id_of(root)))
            .collect();
        merged.into_iter().collect()
    }

    /// Looks at parts that changed and at those of ends that moved, and at no others.
    fn changed_links(&mut self, counters: bool) -> (Vec<Link>, Vec<(LinkId, LinkId)>) {
        let mut parts = self.links.take_changed(counters);
        let moved = std::mem::take(&mut self.moved);
        moved.iter().for_each(|end| parts.extend_from_slice(self.told.of_end(end)));
        parts.sort_unstable();
        parts.dedup();
        let (mut rows, mut left) = (Rows::default(), BTreeMap::new());
        for part in parts {
            let Some(record) = self.links.rows.get(&part).filter(|r| !r.transport.is_empty())
            else {
                continue;
            };
            let name = self.is_shown_link(&part).then(|| self.name_of(part, record));
            let row = name.as_ref().map(|name| name.hash);
            if let Some(before) = self.told.place(part, row) {
                left.entry(before).or_insert(row);
            }
            if let Some(row) = row {
                rows.add(row, name);
            }
        }
        left.keys().for_each(|row| rows.add(*row, None));
        let gone = left.into_iter().filter(|(row, _)| self.told.parts(*row).is_empty());
        let merged = gone.filter_map(|(row, into)| Some((link_id(row), link_id(into?)))).collect();
        let links = rows.found.into_iter().filter_map(|(row, name)| {
            let parts = self.told.parts(row);
            let first = *parts.first()?;
            let record = self.joined(parts)?;
            let name = name.unwrap_or_else(|| self.name_of(first, &record));
            Some(name.link(first.port, &record))
        });
        (links.collect(), merged)
    }

    fn name_of(&self, key: LinkKey, record: &LinkRecord) -> LinkName {
        let (client, server) = (self.root(key.client), self.root(key.server));
        self.named(LinkKey { client, server, ..key }, record)
    }

    /// What the parts of a row are together.
    fn joined(&self, parts: &[LinkKey]) -> Option<Cow<'_, LinkRecord>> {
        let mut records = parts.iter().filter_map(|part| self.links.rows.get(part));
        let mut whole = Cow::Borrowed(records.next()?);
        records.for_each(|record| join(whole.to_mut(), record));
        Some(whole)
    }
}

#[cfg(test)]
mod tests;
