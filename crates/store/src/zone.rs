//! Zones: who may talk to whom (IEC 62443-3-2), and which assets belong to each.
//!
//! Not here: conduits. Invariant: an asset's zone is always that of the newest ranges; changing a
//! zone moves its assets in the same transaction.

use crate::{
    Error, Result, Store, ZONE_RANGES_MAX, ZONES_MAX, asset,
    asset::unsigned,
    text::{clean, from_word, join, new_id, split},
    writer::{Turn, now},
};
use model::{AssetClass, Purdue, Time};
use sqlx::{Row, sqlite::SqliteRow};
use std::net::IpAddr;

#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    pub id: String,
    pub name: String,
    pub purdue: Option<f64>,
    pub cidrs: Vec<String>,
    pub vlans: Vec<u16>,
    pub assets: u64,
    pub generation: i64,
    pub updated_at: Time,
}

/// A zone to make, or what one shall become.
#[derive(Clone, Debug)]
pub struct ZoneSpec {
    pub name: String,
    pub purdue: Option<Purdue>,
    pub cidrs: Vec<String>,
    pub vlans: Vec<u16>,
}

/// The zone with the longest range that holds one of the addresses, else one with the VLAN.
///
/// An address outside the site bears the VLANs it was routed through, which say nothing of it.
pub fn site_zone<'a>(
    zones: &'a [Zone],
    class: AssetClass,
    ips: &[IpAddr],
    vlans: &[u16],
) -> Option<&'a Zone> {
    let vlans = if class == AssetClass::External { &[] } else { vlans };
    let by_range = zones.iter().flat_map(|zone| {
        let ranges = zone.cidrs.iter().filter_map(|text| range(text));
        let holding = ranges.filter(|range| ips.iter().any(|ip| holds(*range, *ip)));
        holding.map(move |(_, length)| (length, zone))
    });
    // Of equal lengths the first zone by name wins: the caller keeps them in that order.
    let best = by_range.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, zone)| zone)
        .or_else(|| zones.iter().find(|zone| zone.vlans.iter().any(|v| vlans.contains(v))))
}

fn range(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, length) = match text.split_once('/') {
        Some((ip, length)) => (ip.parse().ok()?, length.parse().ok()?),
        None => {
            let ip: IpAddr = text.parse().ok()?;
            (ip, if ip.is_ipv4() { 32 } else { 128 })
        }
    };
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    (length <= longest).then_some((ip, length))
}

fn holds((base, length): (IpAddr, u8), ip: IpAddr) -> bool {
    let (base, ip, width) = match (base, ip) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    let shift = width - u32::from(length);
    base.checked_shr(shift).unwrap_or(0) == ip.checked_shr(shift).unwrap_or(0)
}

const SELECT: &str = "SELECT z.id, z.name, z.purdue, z.cidrs, z.vlans, z.generation, \
    z.updated_at, (SELECT COUNT(*) FROM assets a WHERE a.zone = z.id AND a.merged_into IS NULL) \
    AS assets FROM zones z";

fn zone(row: &SqliteRow) -> Result<Zone> {
    let vlans = split(row.try_get("vlans")?);
    Ok(Zone {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        purdue: row.try_get("purdue")?,
        cidrs: split(row.try_get("cidrs")?),
        vlans: vlans.iter().filter_map(|vlan| vlan.parse().ok()).collect(),
        assets: unsigned(row.try_get("assets")?),
        generation: row.try_get("generation")?,
        updated_at: Time(row.try_get("updated_at")?),
    })
}

/// All zones, read once for each batch of the writer.
pub(crate) async fn cached(turn: &mut Turn) -> Result<Vec<Zone>> {
    if turn.zones.is_none() {
        let sql = format!("{SELECT} ORDER BY z.name");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut turn.db).await?;
        turn.zones = Some(rows.iter().map(zone).collect::<Result<_>>()?);
    }
    Ok(turn.zones.clone().expect("filled above"))
}

async fn current(turn: &mut Turn, id: &str) -> Result<Zone> {
    let zones = cached(turn).await?;
    zones.into_iter().find(|z| z.id == id).ok_or_else(|| Error::missing("zone", id))
}

impl Store {
    pub async fn zones(&self) -> Result<Vec<Zone>> {
        let sql = format!("{SELECT} ORDER BY z.name");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(self.readers()).await?;
        rows.iter().map(zone).collect()
    }

    pub async fn zone(&self, id: &str) -> Result<Zone> {
        let sql = format!("{SELECT} WHERE z.id = $1");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(self.readers()).await?;
        zone(&row.ok_or_else(|| Error::missing("zone", id))?)
    }

    pub async fn create_zone(&self, spec: ZoneSpec) -> Result<String> {
        let spec = checked(spec)?;
        self.write(move |turn| {
            Box::pin(async move {
                let zones = cached(turn).await?;
                if zones.len() >= ZONES_MAX {
                    let reason = format!("a site has at most {ZONES_MAX} zones");
                    return Err(Error::refused("name", reason));
                }
                let id = new_id("zon", now());
                put(turn, &id, &spec, 1).await?;
                Ok(id)
            })
        })
        .await
    }

    pub async fn replace_zone(&self, id: &str, generation: i64, spec: ZoneSpec) -> Result<()> {
        let (id, spec) = (id.to_owned(), checked(spec)?);
        self.write(move |turn| {
            Box::pin(async move {
                let found = current(turn, &id).await?;
                if found.generation != generation {
                    return Err(Error::Mismatch { current: found.generation });
                }
                put(turn, &id, &spec, generation + 1).await
            })
        })
        .await
    }

    pub async fn delete_zone(&self, id: &str, generation: i64) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                let found = current(turn, &id).await?;
                if found.generation != generation {
                    return Err(Error::Mismatch { current: found.generation });
                }
                sqlx::query("DELETE FROM zones WHERE id = $1")
                    .bind(&id)
                    .execute(&mut turn.db)
                    .await?;
                turn.zones = None;
                resettle(turn, &id).await
            })
        })
        .await
    }
}

fn checked(spec: ZoneSpec) -> Result<ZoneSpec> {
    let name = spec.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 64 {
        return Err(Error::refused("name", "it has 1 to 64 characters"));
    }
    if spec.cidrs.len() > ZONE_RANGES_MAX || spec.vlans.len() > ZONE_RANGES_MAX {
        let reason = format!("a zone has at most {ZONE_RANGES_MAX} ranges or VLANs");
        return Err(Error::refused("cidrs", reason));
    }
    if let Some(bad) = spec.cidrs.iter().find(|text| range(text).is_none()) {
        let reason = format!("{bad:?} is no address range such as 10.1.2.0/24");
        return Err(Error::refused("cidrs", reason));
    }
    if spec.vlans.iter().any(|vlan| !(1..=4_094).contains(vlan)) {
        return Err(Error::refused("vlans", "a VLAN is 1 to 4094"));
    }
    Ok(ZoneSpec { name, ..spec })
}

async fn put(turn: &mut Turn, id: &str, spec: &ZoneSpec, generation: i64) -> Result<()> {
    let name = clean(&spec.name);
    let taken = sqlx::query("SELECT id FROM zones WHERE name = $1 AND id <> $2")
        .bind(&name)
        .bind(id)
        .fetch_optional(&mut turn.db)
        .await?;
    if taken.is_some() {
        return Err(Error::Exists { kind: "zone", id: name });
    }
    sqlx::query(
        "INSERT INTO zones (id, name, purdue, cidrs, vlans, generation, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET name = $2, \
         purdue = $3, cidrs = $4, vlans = $5, generation = $6, updated_at = $7",
    )
    .bind(id)
    .bind(name)
    .bind(spec.purdue.map(Purdue::level))
    .bind(join(&spec.cidrs))
    .bind(join(&spec.vlans))
    .bind(generation)
    .bind(now().nanos())
    .execute(&mut turn.db)
    .await?;
    turn.zones = None;
    resettle(turn, id).await
}

/// Gives every asset the zone it belongs to now. `touched` is the zone that changed.
async fn resettle(turn: &mut Turn, touched: &str) -> Result<()> {
    let zones = cached(turn).await?;
    let rows = sqlx::query(
        "SELECT id, class, ips, vlans, zone, observed_zone FROM assets WHERE merged_into IS NULL",
    )
    .fetch_all(&mut turn.db)
    .await?;
    for row in rows {
        let ips: Vec<IpAddr> =
            split(row.try_get("ips")?).iter().filter_map(|ip| ip.parse().ok()).collect();
        let vlans: Vec<u16> =
            split(row.try_get("vlans")?).iter().filter_map(|v| v.parse().ok()).collect();
        let before: Option<String> = row.try_get("observed_zone")?;
        let shown: Option<String> = row.try_get("zone")?;
        let class = from_word(row.try_get("class")?).unwrap_or(AssetClass::Unknown);
        let after = site_zone(&zones, class, &ips, &vlans).map(|z| z.id.clone());
        if before == after && shown.as_deref() != Some(touched) {
            continue;
        }
        let id: String = row.try_get("id")?;
        if let Some(mut stored) = asset::load(turn, &id).await? {
            let declared = stored.declared.zone.clone();
            if declared.is_some_and(|zone| zones.iter().all(|z| z.id != zone)) {
                // The operator's word named a zone that is gone.
                stored.declared.zone = None;
            }
            asset::save(turn, &stored).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str, cidrs: &[&str], vlans: &[u16]) -> Zone {
        Zone {
            id: name.to_owned(),
            name: name.to_owned(),
            purdue: None,
            cidrs: cidrs.iter().map(|c| (*c).to_owned()).collect(),
            vlans: vlans.to_vec(),
            assets: 0,
            generation: 1,
            updated_at: Time(0),
        }
    }

    #[test]
    fn longest_range_wins_then_the_vlan() {
        let zones = [
            zone("all", &["10.0.0.0/8", "0.0.0.0/0"], &[]),
            zone("cell", &["10.1.2.0/24"], &[]),
            zone("six", &["fd00::/8"], &[]),
            zone("vlan", &[], &[20]),
        ];
        let of = |ips: &[&str], vlans: &[u16]| {
            let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().expect("an address")).collect();
            site_zone(&zones, AssetClass::Plc, &ips, vlans).map(|z| z.name.clone())
        };
        let outside = site_zone(
            &zones,
            AssetClass::External,
            &["fe80::1".parse().expect("an address")],
            &[20],
        );
        assert_eq!(outside.map(|z| z.name.clone()), None, "its VLAN is one it was routed through");
        assert_eq!(of(&["10.1.2.3"], &[20]).as_deref(), Some("cell"));
        assert_eq!(of(&["10.9.9.9"], &[]).as_deref(), Some("all"));
        assert_eq!(of(&["fd00::1"], &[]).as_deref(), Some("six"));
        assert_eq!(of(&["fe80::1"], &[20]).as_deref(), Some("vlan"));
        assert_eq!(of(&[], &[]), None);
    }

    #[test]
    fn a_range_that_is_none_is_refused() {
        for bad in ["10.0.0.0/33", "10.0.0/8", "x", "::/129", ""] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }
}
