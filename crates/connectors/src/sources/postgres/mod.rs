//! `postgres://USER@HOST[:PORT]/DATABASE[?socket=DIR]`: a PostgreSQL database, all of one moment.
//!
//! What comes is a folder that `psql -f restore.psql` makes a database of again, with
//! `tables.csv`: rows and newest time of each table. The connection is encrypted where
//! `sslrootcert=FILE` says by which certificate the server proves itself (the login is by SCRAM
//! either way). Not kept: roles and their rights. Invariant: each table has its rows in full or a
//! fault, and what is in the database and not kept is named in one.

mod catalogue;
mod session;
mod tls;
pub mod wal;

use super::{Context, Kind, Unusable, link::quoted, login, login::Login, spool, url::Url};
use session::{Session, Statement};
use std::{
    fmt::Write as _,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tls::Tls;
use vault::{Offer, Open, Opened, Source, What};

/// The oldest server whose catalogues we know.
const OLDEST: u32 = 120_000;

pub struct Postgres;

pub const POSTGRES: Postgres = Postgres;

impl Kind for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn form(&self) -> &'static str {
        "//USER@HOST[:PORT]/DATABASE[?sslrootcert=FILE&sslmode=verify-full&socket=DIR]"
    }

    fn open(&self, text: &str, context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let open = || {
            let names = [&["socket"][..], &tls::OPTIONS].concat();
            let url = Url::parse(text, &names)?;
            let user = url.user.clone().ok_or("no user before the host")?;
            let database = url.path.trim_matches('/').to_owned();
            if database.is_empty() || database.contains('/') {
                return Err("no database after the host".to_owned());
            }
            let tls = Tls::of(&url.options, &url.host)?;
            Ok(Database { url, user, database, tls, context: context.clone() })
        };
        match open() {
            Ok(database) => Ok(Box::new(database)),
            Err(why) => Err(Unusable::place(self, text, why)),
        }
    }
}

struct Database {
    url: Url,
    user: String,
    database: String,
    tls: Tls,
    context: Context,
}

impl Source for Database {
    fn name(&self) -> String {
        format!("postgres://{}/{}", self.url.address(5_432), self.database)
    }

    fn offer(&mut self, offer: &mut Offer) {
        let folder = PathBuf::from("/@postgres").join(self.url.address(5_432)).join(&self.database);
        if let Err(error) = self.read(&folder, offer) {
            offer.fault(&folder, error.to_string());
        }
    }
}

impl Database {
    fn read(&self, folder: &Path, offer: &mut Offer) -> io::Result<()> {
        let secrets = self.context.secrets.as_deref();
        let login = login::find(secrets, &self.url.host, Some(&self.user))?;
        // A server may let a user of its own machine in without one.
        let none = || Login { user: self.user.clone(), password: String::new() };
        let socket = self.url.options.get("socket").map(|folder| {
            Path::new(folder).join(format!(".s.PGSQL.{}", self.url.port.unwrap_or(5_432)))
        });
        let login = login.unwrap_or_else(none);
        let address = self.url.address(5_432);
        let way = (address.as_str(), socket.as_deref(), &self.tls);
        let mut session = Session::open(way, &self.database, &login)?;
        let version = first(session.rows(&Statement::Catalogue(catalogue::VERSION))?);
        if version.parse::<u32>().is_ok_and(|version| version < OLDEST) {
            let text = format!("version {version} is older than 12; use pg_dump and files:");
            return Err(io::Error::other(text));
        }
        for row in session.rows(&Statement::Catalogue(catalogue::NOT_KEPT))? {
            let words: Vec<_> = row.into_iter().flatten().collect();
            offer.fault(folder, format!("not kept: {}", words.join(" ")));
        }
        // Made for this server rather than by its applications: all rows are there without them.
        for row in session.rows(&Statement::Catalogue(catalogue::LEFT_OUT))? {
            let words: Vec<_> = row.into_iter().flatten().collect();
            offer.warn(folder, format!("not kept: {}", words.join(" ")));
        }
        let mut identity = String::from("attribute,value\n");
        for row in session.rows(&Statement::Catalogue(catalogue::IDENTITY))? {
            let words: Vec<_> = row.into_iter().flatten().map(|word| quoted(&word)).collect();
            writeln!(identity, "{}", words.join(",")).expect("to a string");
        }
        offer.bytes(folder.join("identity.csv"), identity.into_bytes());
        for (name, queries) in
            [("1-schema.sql", &catalogue::BEFORE[..]), ("3-after.sql", &catalogue::AFTER[..])]
        {
            offer.bytes(folder.join(name), statements(&mut session, queries)?.into_bytes());
        }
        let tables = tables(&mut session)?;
        offer.bytes(folder.join("restore.psql"), restore(&tables).into_bytes());
        session.rows(&Statement::Mark)?;
        let shared = Arc::new(Mutex::new(Copying { session, done: Vec::new() }));
        let staging = self.context.staging.clone();
        for table in tables {
            let path = folder.join("2-rows").join(table.file());
            let copy =
                Copy { shared: shared.clone(), table, staging: staging.clone(), now: offer.now() };
            offer.entry(path, What::File(Box::new(copy)));
        }
        // Entries are opened in the order of their paths, so this one comes after the rows.
        let list = List { shared, now: offer.now() };
        offer.entry(folder.join("tables.csv"), What::File(Box::new(list)));
        Ok(())
    }
}

fn first(rows: Vec<Vec<Option<String>>>) -> String {
    rows.into_iter().flatten().flatten().next().unwrap_or_default()
}

fn statements(session: &mut Session, queries: &'static [&'static str]) -> io::Result<String> {
    let mut text = String::new();
    for query in queries {
        for row in session.rows(&Statement::Catalogue(query))? {
            for line in row.into_iter().flatten() {
                text.push_str(&line);
                text.push('\n');
            }
        }
    }
    Ok(text)
}

#[derive(Clone)]
struct Table {
    schema: String,
    name: String,
    /// A column of time with an index.
    time: Option<String>,
}

impl Table {
    /// A name for a file: unlike that of any other table, and no path.
    fn file(&self) -> String {
        let safe = |text: &str| {
            text.replace('%', "%25").replace('/', "%2f").replace('.', "%2e").replace('\'', "%27")
        };
        format!("{}.{}.copy", safe(&self.schema), safe(&self.name))
    }
}

fn tables(session: &mut Session) -> io::Result<Vec<Table>> {
    let rows = session.rows(&Statement::Catalogue(catalogue::TABLES))?;
    let table = |row: Vec<Option<String>>| {
        let [schema, name, time] = row.try_into().map_err(|_| super::link::malformed())?;
        let (schema, name) = (schema.unwrap_or_default(), name.unwrap_or_default());
        Ok(Table { schema, name, time })
    };
    rows.into_iter().map(table).collect()
}

/// A script for psql, to be run in the restored folder.
fn restore(tables: &[Table]) -> String {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut text = String::from("\\set ON_ERROR_STOP on\n\\i 1-schema.sql\n");
    for table in tables {
        let (schema, name, file) = (quote(&table.schema), quote(&table.name), table.file());
        writeln!(text, "\\copy {schema}.{name} from '2-rows/{file}'").expect("to a string");
    }
    text.push_str("\\i 3-after.sql\n");
    text
}

/// The one session, and what was read with it: table, rows, newest time.
struct Copying {
    session: Session,
    done: Vec<(Table, u64, String)>,
}

fn lock(shared: &Mutex<Copying>) -> MutexGuard<'_, Copying> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Copy {
    shared: Arc<Mutex<Copying>>,
    table: Table,
    staging: PathBuf,
    now: model::Time,
}

impl Open for Copy {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let mut file = spool::file(&self.staging)?;
        let mut copying = lock(&self.shared);
        match copy(&mut copying.session, &self.table, &mut file) {
            Ok((rows, newest)) => copying.done.push((self.table, rows, newest)),
            Err(error) => {
                // If that is not possible either, the next table says so.
                drop(copying.session.rows(&Statement::GoBack));
                return Err(error);
            }
        }
        spool::opened(file, Some(self.now), 0o600)
    }
}

/// How many rows a table has, and the newest of its times.
fn copy(session: &mut Session, table: &Table, file: &mut File) -> io::Result<(u64, String)> {
    let Table { schema, name, time } = table;
    let newest = match time {
        None => String::new(),
        Some(column) => first(session.rows(&Statement::Newest { schema, table: name, column })?),
    };
    let mut out = io::BufWriter::new(file);
    let rows = session.copy(schema, name, &mut out)?;
    io::Write::flush(&mut out)?;
    Ok((rows, newest))
}

struct List {
    shared: Arc<Mutex<Copying>>,
    now: model::Time,
}

impl Open for List {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let mut text = String::from("table,rows,newest\n");
        for (Table { schema, name, .. }, rows, newest) in &lock(&self.shared).done {
            let name = quoted(&format!("{schema}.{name}"));
            writeln!(text, "{name},{rows},{}", quoted(newest)).expect("to a string");
        }
        let meta = vault::Meta {
            mode: 0o600,
            modified: Some(self.now),
            size: text.len() as u64,
            ..vault::Meta::default()
        };
        Ok(Opened::new(meta, io::Cursor::new(text.into_bytes())))
    }
}
