//! Lists in pages: order, cursor, limit.
//!
//! A cursor is the sort and the last row's key, so a page stays right while rows come and go
//! before it. Not here: filters. Invariant: every order ends with the id, so no two rows are equal.

use crate::{
    Error, Field, Filter, Kind, Result,
    text::{counted_order, hex},
};
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

/// What part of a list is asked for.
#[derive(Clone, Debug)]
pub struct ListRequest {
    pub filter: Option<Filter>,
    /// A field, `-` before it for descending; the list's own order when absent.
    pub sort: Option<String>,
    pub cursor: Option<String>,
    pub limit: u32,
}

impl ListRequest {
    /// Everything in the list's own order, up to `limit` rows.
    pub fn first(limit: u32) -> Self {
        ListRequest { filter: None, sort: None, cursor: None, limit }
    }
}

#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    sort: String,
    key: Key,
    /// Where the order has a second key.
    then: Option<i64>,
    id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Key {
    Whole(i64),
    Real(f64),
    Text(String),
}

/// An order that was checked against the fields.
pub(crate) struct Order {
    sort: String,
    /// SQL of the key; never NULL.
    key: String,
    kind: Kind,
    descending: bool,
    /// The column among equal keys, and whether it is descending.
    then: Option<(&'static str, bool)>,
    id: &'static str,
}

impl Order {
    /// `table` is the prefix of the columns, e.g. `a.`; `id` the column that breaks ties.
    pub(crate) fn parse(
        sort: &str,
        fields: &'static [Field],
        table: &str,
        id: &'static str,
    ) -> Result<Order> {
        let name = sort.strip_prefix('-').unwrap_or(sort);
        let sortable = |f: &&Field| !matches!(f.kind, Kind::Search | Kind::Labels);
        let Some(field) = fields.iter().filter(sortable).find(|f| f.name == name) else {
            let names: Vec<_> = fields.iter().filter(sortable).map(|f| f.name).collect();
            let reason = format!("cannot sort by {name:?}; there are {}", names.join(", "));
            return Err(Error::refused("sort", reason));
        };
        let column = format!("{table}{}", field.column);
        let descending = sort.starts_with('-');
        let key = match field.kind {
            Kind::List if field.column == "ips" => or_last(&by_address(&column), Kind::Text, sort),
            Kind::Text if field.column == "name" => format!("{table}name_order"),
            // A list without elements is an empty text.
            Kind::List => or_last(&format!("NULLIF({column}, '')"), Kind::List, sort),
            // An index serves the bare column alone.
            _ if !field.optional => column,
            kind => or_last(&column, kind, sort),
        };
        Ok(Order { sort: sort.to_owned(), key, kind: field.kind, descending, then: None, id })
    }

    /// By the names of zones, not by their ids; `zones` is each id with its name.
    pub(crate) fn by_zone<'a>(
        mut self,
        column: &str,
        zones: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Order {
        // In hexadecimal a name stands in the same order and is harmless in SQL, as ids are.
        let of = |(id, name): (&str, &str)| {
            let id: String =
                id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            format!("WHEN '{id}' THEN '{}' ", hex(counted_order(name).as_bytes()))
        };
        let cases: String = zones.map(of).collect();
        if !cases.is_empty() {
            let key = format!("CASE {column} {cases}END");
            self.key = or_last(&key, Kind::Text, &self.sort);
        }
        self
    }

    /// Among equal keys by this column of whole numbers, never NULL, before the id.
    pub(crate) fn then(mut self, column: &'static str, descending: bool) -> Order {
        if self.key != column {
            self.then = Some((column, descending));
        }
        self
    }

    /// What a query selects for [`Order::page`], beside its own columns.
    pub(crate) fn columns(&self) -> String {
        let then = self.then.map_or("NULL", |(column, _)| column);
        format!("{} AS page_key, {then} AS page_then, {} AS page_id", self.key, self.id)
    }

    /// Appends `AND ...` for rows after the cursor.
    pub(crate) fn push_after(
        &self,
        cursor: Option<&str>,
        query: &mut QueryBuilder<Sqlite>,
    ) -> Result<()> {
        let Some(text) = cursor else { return Ok(()) };
        let own = |c: &Cursor| c.sort == self.sort && c.then.is_some() == self.then.is_some();
        let Some(cursor) = decode(text).filter(own) else {
            let reason = "it is not of this list and order; start without one";
            return Err(Error::refused("cursor", reason));
        };
        let sign = if self.descending { "<" } else { ">" };
        // The first comparison is where an index begins to read.
        query.push(format_args!(" AND {} {sign}= ", self.key));
        push_key(&cursor.key, query);
        query.push(format_args!(" AND ({} {sign} ", self.key));
        push_key(&cursor.key, query);
        query.push(" OR (");
        if let Some(((column, descending), then)) = self.then.zip(cursor.then) {
            let sign = if descending { "<" } else { ">" };
            query.push(format_args!("{column} {sign} "));
            query.push_bind(then);
            query.push(format_args!(" OR {column} = "));
            query.push_bind(then);
            query.push(" AND ");
        }
        query.push(format_args!("{} > ", self.id));
        query.push_bind(cursor.id);
        query.push("))");
        Ok(())
    }

    /// Appends ORDER BY and LIMIT, one row more than asked: it tells whether there is a next page.
    pub(crate) fn push_end(&self, limit: u32, query: &mut QueryBuilder<Sqlite>) {
        let way = |descending| if descending { " DESC" } else { "" };
        query.push(format_args!(" ORDER BY {}{}", self.key, way(self.descending)));
        if let Some((column, descending)) = self.then {
            query.push(format_args!(", {column}{}", way(descending)));
        }
        query.push(format_args!(", {} LIMIT ", self.id));
        query.push_bind(i64::from(limit) + 1);
    }

    /// Rows with [`Order::columns`], as a page.
    pub(crate) fn page(&self, mut rows: Vec<SqliteRow>, limit: u32) -> Result<Page<SqliteRow>> {
        let limit = limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = match rows.last() {
            Some(row) if more => Some(self.encode(row)?),
            _ => None,
        };
        Ok(Page { items: rows, next_cursor })
    }

    fn encode(&self, row: &SqliteRow) -> Result<String> {
        use sqlx::Row;
        let key = match self.kind {
            Kind::Text | Kind::List => Key::Text(row.try_get("page_key")?),
            Kind::Real => Key::Real(row.try_get("page_key")?),
            _ => Key::Whole(row.try_get("page_key")?),
        };
        let (then, id) = (row.try_get("page_then")?, row.try_get("page_id")?);
        let cursor = Cursor { sort: self.sort.clone(), key, then, id };
        Ok(hex(&serde_json::to_vec(&cursor)?))
    }
}

fn push_key(key: &Key, query: &mut QueryBuilder<Sqlite>) {
    match key {
        Key::Whole(whole) => query.push_bind(*whole),
        Key::Real(real) => query.push_bind(*real),
        Key::Text(text) => query.push_bind(text.clone()),
    };
}

/// SQL of a key that may be NULL. What has no value comes last, whichever way the list is read: the
/// stand-in lies beyond every real value of its kind.
fn or_last(key: &str, kind: Kind, sort: &str) -> String {
    let beyond = match (kind, sort.starts_with('-')) {
        (Kind::Text | Kind::List, true) => "''",
        (Kind::Text | Kind::List, false) => "char(1114111)",
        (Kind::Real, true) => "-1.0",
        (Kind::Real, false) => "1e300",
        (_, true) => "-1",
        (_, false) => "9223372036854775807",
    };
    format!("COALESCE({key}, {beyond})")
}

/// SQL of the first address of a list, so written that 10.0.0.9 comes before 10.0.0.10: IPv4 first,
/// then the rest as text; NULL where there is none.
fn by_address(column: &str) -> String {
    // A line break stands before and after each.
    let bare = format!("substr({column}, 2)");
    let first = format!("substr({bare}, 1, instr({bare}, char(10)) - 1)");
    // What splits at the dots into numbers is an array; no IPv6 address is one.
    let octets = format!("'[' || replace({first}, '.', ',') || ']'");
    let octet = |at: u8| format!("json_extract({octets}, '$[{at}]')");
    let [a, b, c, d] = [0, 1, 2, 3].map(octet);
    format!(
        "CASE WHEN {column} = '' THEN NULL WHEN json_valid({octets}) \
         THEN printf('%03d.%03d.%03d.%03d', {a}, {b}, {c}, {d}) ELSE '~' || {first} END"
    )
}

fn decode(text: &str) -> Option<Cursor> {
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    serde_json::from_slice(&bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ASSETS, FINDINGS, LINKS, Settings, Store};
    use sqlx::{AssertSqlSafe, Row};

    async fn open() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Settings::default()).await.expect("opens");
        (dir, store)
    }

    #[tokio::test]
    async fn a_field_is_optional_where_its_column_may_be_null() {
        let (_dir, store) = open().await;
        for (table, fields) in [("assets", ASSETS), ("links", LINKS), ("findings", FINDINGS)] {
            let sql =
                format!("SELECT name FROM pragma_table_info('{table}') WHERE \"notnull\" = 0");
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(store.readers()).await;
            let rows = rows.expect("a table").into_iter();
            let loose: Vec<String> = rows.map(|row| row.try_get(0).expect("a name")).collect();
            for field in fields.iter().filter(|field| field.kind != Kind::Search) {
                // SQLite lets a key of text be NULL, and no row of ours has such.
                let may_miss = field.name != "id" && loose.iter().any(|name| name == field.column);
                assert_eq!(field.optional, may_miss, "{table} {}", field.name);
            }
        }
        store.close().await;
    }

    #[tokio::test]
    async fn an_index_gives_the_order_of_a_list_and_where_a_page_begins() {
        let (_dir, store) = open().await;
        let (sort, key) = ("-last_seen".to_owned(), Key::Whole(7));
        let cursor = Cursor { sort, key, then: None, id: "x".into() };
        let cursor = hex(&serde_json::to_vec(&cursor).expect("plain data"));
        let order = Order::parse("-last_seen", FINDINGS, "", "id").expect("a field");
        let order = order.then("last_seen", true);
        for (cursor, step) in [(None, "SCAN"), (Some(&*cursor), "SEARCH")] {
            let sql = "EXPLAIN QUERY PLAN SELECT id FROM findings WHERE 1 = 1";
            let mut query = QueryBuilder::new(sql);
            order.push_after(cursor, &mut query).expect("its own");
            order.push_end(10, &mut query);
            let row = query.build().fetch_one(store.readers()).await.expect("a plan");
            let plan: String = row.try_get("detail").expect("text");
            assert!(plan.starts_with(step) && plan.contains("findings_last_seen"), "{plan}");
        }
        store.close().await;
    }

    /// The ids of all rows of a made-up table, read in pages of so many.
    async fn read_by_pages(
        store: &Store,
        order: &Order,
        (rows, table): (&str, &str),
        limit: u32,
    ) -> String {
        let (mut ids, mut cursor) = (String::new(), None);
        loop {
            let sql = format!("{rows} SELECT {} FROM {table} WHERE 1 = 1", order.columns());
            let mut query = QueryBuilder::<Sqlite>::new(sql);
            order.push_after(cursor.as_deref(), &mut query).expect("its own");
            order.push_end(limit, &mut query);
            let rows = query.build().fetch_all(store.readers()).await.expect("rows");
            let page = order.page(rows, limit).expect("a page");
            let id = |row: &SqliteRow| row.try_get::<String, _>("page_id").expect("an id");
            ids.extend(page.items.iter().map(id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return ids;
            }
        }
    }

    /// Ids in the order of the list, read in pages of each size.
    async fn check_order(sort: &str, descending: bool, expect: &str) {
        let (_dir, store) = open().await;
        let order = Order::parse(sort, FINDINGS, "", "id").expect("a field");
        let order = order.then("last_seen", descending);
        // Severity, when it was last seen, and the id; two are equal but for the id.
        let findings = "WITH findings(severity, last_seen, id) AS (VALUES (1, 9, 'a'), \
             (3, 5, 'b'), (3, 8, 'c'), (3, 5, 'd'), (1, 2, 'e'), (4, 1, 'f'))";
        for limit in 1..=6 {
            let ids = read_by_pages(&store, &order, (findings, "findings"), limit).await;
            assert_eq!(ids, expect, "{sort} in pages of {limit}");
        }
        store.close().await;
    }

    #[tokio::test]
    async fn equal_keys_are_in_the_order_of_the_second_across_pages() {
        check_order("-severity", true, "fcbdae").await;
        check_order("severity", true, "aecbdf").await;
        check_order("severity", false, "eabdcf").await;
        // The key itself is no second one.
        check_order("-last_seen", true, "acbdef").await;
    }

    #[tokio::test]
    async fn what_has_no_value_comes_last_in_both_directions_across_pages() {
        let (_dir, store) = open().await;
        let rows = "WITH assets(id, purdue, criticality, firmware, ips) AS (VALUES \
             ('a', NULL, NULL, NULL, ''), \
             ('b', 0.0, 1, '1.2', char(10) || '10.0.0.1' || char(10)), \
             ('c', 3.5, 4, 'zz', char(10) || 'fe80::1' || char(10)), ('d', NULL, NULL, NULL, ''))";
        for (sort, expect) in [("purdue", "bcad"), ("-purdue", "cbad")]
            .into_iter()
            .chain([("criticality", "bcad"), ("-criticality", "cbad")])
            .chain([("firmware", "bcad"), ("-firmware", "cbad")])
            .chain([("ip", "bcad"), ("-ip", "cbad")])
        {
            let order = Order::parse(sort, ASSETS, "", "id").expect("a field");
            for limit in 1..=4 {
                let ids = read_by_pages(&store, &order, (rows, "assets"), limit).await;
                assert_eq!(ids, expect, "{sort} in pages of {limit}");
            }
        }
        store.close().await;
    }

    #[tokio::test]
    async fn a_cursor_without_the_second_key_is_not_of_this_order() {
        let first = Order::parse("-severity", FINDINGS, "", "id").expect("a field");
        let key = Key::Whole(3);
        let cursor = Cursor { sort: "-severity".into(), key, then: None, id: "b".into() };
        let cursor = hex(&serde_json::to_vec(&cursor).expect("plain data"));
        let mut query = QueryBuilder::<Sqlite>::new("");
        assert!(first.push_after(Some(&cursor), &mut query).is_ok());
        let second = first.then("last_seen", true);
        assert!(second.push_after(Some(&cursor), &mut query).is_err());
    }
}
