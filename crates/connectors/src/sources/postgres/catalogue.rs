//! Queries that describe a database as the SQL that makes it again (PostgreSQL documentation,
//! System Catalogs; System Information Functions).
//!
//! Kept: schemas, extensions by name, types (enumerations, domains, composites), sequences,
//! tables with partitions and inheritance, defaults, functions, constraints, indexes, views,
//! triggers. What is there besides is named by [`NOT_KEPT`]. Invariant: each query is one SELECT
//! with one text column; PostgreSQL 12 and later.

/// Objects that an extension makes come with the extension.
macro_rules! own {
    ($catalogue:literal, $oid:literal) => {
        concat!(
            "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT ",
            "FROM pg_catalog.pg_depend e WHERE e.objid = ",
            $oid,
            " AND e.classid = 'pg_catalog.",
            $catalogue,
            "'::regclass AND e.deptype = 'e')"
        )
    };
}

macro_rules! name {
    ($name:literal) => {
        concat!("quote_ident(n.nspname) || '.' || quote_ident(", $name, ")")
    };
}

/// Before the rows, in this order.
pub const BEFORE: [&str; 10] = [
    "SELECT 'SET check_function_bodies = false; SET search_path = '''';'",
    concat!(
        "SELECT 'CREATE SCHEMA IF NOT EXISTS ' || quote_ident(n.nspname) || ';' ",
        "FROM pg_catalog.pg_namespace n WHERE ",
        own!("pg_namespace", "n.oid"),
        " ORDER BY n.nspname"
    ),
    "SELECT 'CREATE EXTENSION IF NOT EXISTS ' || quote_ident(x.extname) || ' SCHEMA ' || \
     quote_ident(n.nspname) || ';' FROM pg_catalog.pg_extension x \
     JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace \
     WHERE x.extname <> 'plpgsql' ORDER BY x.oid",
    concat!(
        "SELECT 'CREATE TYPE ' || ",
        name!("t.typname"),
        " || ' AS ENUM (' || (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY ",
        "e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid) || ');' ",
        "FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace ",
        "WHERE t.typtype = 'e' AND ",
        own!("pg_type", "t.oid"),
        " ORDER BY t.oid"
    ),
    concat!(
        "SELECT 'CREATE TYPE ' || ",
        name!("c.relname"),
        " || ' AS (' || (SELECT string_agg(quote_ident(a.attname) || ' ' || ",
        "format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) FROM ",
        "pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT ",
        "a.attisdropped) || ');' FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ",
        "ON n.oid = c.relnamespace WHERE c.relkind = 'c' AND ",
        own!("pg_class", "c.oid"),
        " ORDER BY c.oid"
    ),
    concat!(
        "SELECT 'CREATE DOMAIN ' || ",
        name!("t.typname"),
        " || ' AS ' || format_type(t.typbasetype, t.typtypmod) || COALESCE(' DEFAULT ' || ",
        "t.typdefault, '') || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END || ",
        "COALESCE((SELECT string_agg(' CONSTRAINT ' || quote_ident(k.conname) || ' ' || ",
        "pg_get_constraintdef(k.oid), '' ORDER BY k.conname) FROM pg_catalog.pg_constraint k ",
        "WHERE k.contypid = t.oid AND k.contype = 'c'), '') || ';' ",
        "FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace ",
        "WHERE t.typtype = 'd' AND ",
        own!("pg_type", "t.oid"),
        " ORDER BY t.oid"
    ),
    // Those of identity columns come with the column.
    concat!(
        "SELECT 'CREATE SEQUENCE ' || ",
        name!("c.relname"),
        " || ' AS ' || format_type(s.seqtypid, NULL) || ' START ' || s.seqstart || ' INCREMENT ' ",
        "|| s.seqincrement || ' MINVALUE ' || s.seqmin || ' MAXVALUE ' || s.seqmax || ' CACHE ' ",
        "|| s.seqcache || CASE WHEN s.seqcycle THEN ' CYCLE;' ELSE ';' END ",
        "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ",
        "JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid WHERE NOT EXISTS (SELECT FROM ",
        "pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i') AND ",
        own!("pg_class", "c.oid"),
        " ORDER BY c.oid"
    ),
    concat!(
        "SELECT 'CREATE ' || CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END || ",
        "'TABLE ' || ",
        name!("c.relname"),
        " || CASE WHEN c.relispartition THEN ' PARTITION OF ' || (SELECT quote_ident(pn.nspname) ",
        "|| '.' || quote_ident(p.relname) FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class ",
        "p ON p.oid = i.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace ",
        "WHERE i.inhrelid = c.oid) || ' ' || pg_get_expr(c.relpartbound, c.oid) ELSE ",
        "' (' || COALESCE((SELECT string_agg(quote_ident(a.attname) || ' ' || ",
        "format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation <> 0 AND ",
        "a.attcollation <> y.typcollation THEN ' COLLATE ' || quote_ident(ln.nspname) || '.' || ",
        "quote_ident(l.collname) ELSE '' END || CASE a.attgenerated WHEN 's' THEN ",
        "' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED' ELSE '' END ",
        "|| CASE a.attidentity WHEN 'a' THEN ' GENERATED ALWAYS AS IDENTITY' WHEN 'd' THEN ",
        "' GENERATED BY DEFAULT AS IDENTITY' ELSE '' END || CASE WHEN a.attnotnull THEN ",
        "' NOT NULL' ELSE '' END, ', ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a ",
        "JOIN pg_catalog.pg_type y ON y.oid = a.atttypid ",
        "LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation ",
        "LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace ",
        "LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum ",
        "WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attislocal), '') ",
        "|| ')' || COALESCE((SELECT ' INHERITS (' || string_agg(quote_ident(pn.nspname) || '.' ||",
        " quote_ident(p.relname), ', ' ORDER BY i.inhseqno) || ')' FROM pg_catalog.pg_inherits i ",
        "JOIN pg_catalog.pg_class p ON p.oid = i.inhparent JOIN pg_catalog.pg_namespace pn ON ",
        "pn.oid = p.relnamespace WHERE i.inhrelid = c.oid), '') END || CASE c.relkind WHEN 'p' ",
        "THEN ' PARTITION BY ' || pg_get_partkeydef(c.oid) ELSE '' END || ';' ",
        "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ",
        "WHERE c.relkind IN ('r', 'p') AND ",
        own!("pg_class", "c.oid"),
        " ORDER BY c.oid"
    ),
    concat!(
        "SELECT pg_get_functiondef(p.oid) || ';' FROM pg_catalog.pg_proc p JOIN ",
        "pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE p.prokind IN ('f', 'p') AND ",
        own!("pg_proc", "p.oid"),
        " ORDER BY p.oid"
    ),
    concat!(
        "SELECT 'ALTER TABLE ' || ",
        name!("c.relname"),
        " || ' ALTER COLUMN ' || quote_ident(a.attname) || ' SET DEFAULT ' || ",
        "pg_get_expr(d.adbin, d.adrelid) || ';' FROM pg_catalog.pg_attrdef d JOIN ",
        "pg_catalog.pg_class c ON c.oid = d.adrelid JOIN pg_catalog.pg_namespace n ON n.oid = ",
        "c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ",
        "d.adnum WHERE a.attgenerated = '' AND c.relkind IN ('r', 'p') AND ",
        own!("pg_class", "c.oid"),
        " ORDER BY c.oid, a.attnum"
    ),
];

/// After the rows, in this order.
pub const AFTER: [&str; 7] = [
    "SELECT 'SET check_function_bodies = false; SET search_path = '''';'",
    concat!(
        "SELECT 'SELECT pg_catalog.setval(' || quote_literal(",
        name!("c.relname"),
        ") || ', ' || COALESCE(pg_sequence_last_value(c.oid), s.seqstart) || ', ' || ",
        "(pg_sequence_last_value(c.oid) IS NOT NULL) || ');' FROM pg_catalog.pg_class c ",
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ",
        "JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid WHERE ",
        own!("pg_class", "c.oid"),
        " ORDER BY c.oid"
    ),
    // Keys before those that refer to them; a partition has its parent's.
    concat!(
        "SELECT 'ALTER TABLE ' || CASE WHEN c.relkind = 'p' OR k.contype <> 'f' THEN '' ELSE ",
        "'ONLY ' END || ",
        name!("c.relname"),
        " || ' ADD CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid) ",
        "|| ';' FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid ",
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE k.contype IN ",
        "('p', 'u', 'x', 'c', 'f') AND k.conislocal AND k.conparentid = 0 AND ",
        own!("pg_class", "c.oid"),
        " ORDER BY position(k.contype::text IN 'puxcf'), c.oid, k.conname"
    ),
    // That of a partitioned table makes those of its partitions.
    concat!(
        "SELECT CASE c.relkind WHEN 'I' THEN replace(pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ') ",
        "ELSE pg_get_indexdef(c.oid) END || ';' FROM pg_catalog.pg_index i JOIN ",
        "pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = ",
        "c.relnamespace WHERE NOT c.relispartition AND NOT EXISTS (SELECT FROM ",
        "pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ",
        "('p', 'u', 'x')) AND ",
        own!("pg_class", "i.indrelid"),
        " AND NOT EXISTS (SELECT FROM pg_catalog.pg_class m WHERE m.oid = i.indrelid AND ",
        "m.relkind = 'm') ORDER BY c.oid"
    ),
    concat!(
        "SELECT 'CREATE ' || CASE c.relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END || 'VIEW ' ",
        "|| ",
        name!("c.relname"),
        " || ' AS ' || pg_get_viewdef(c.oid) FROM pg_catalog.pg_class c JOIN ",
        "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND ",
        own!("pg_class", "c.oid"),
        " ORDER BY c.oid"
    ),
    concat!(
        "SELECT pg_get_indexdef(i.indexrelid) || ';' FROM pg_catalog.pg_index i JOIN ",
        "pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = ",
        "c.relnamespace WHERE c.relkind = 'm' AND ",
        own!("pg_class", "c.oid"),
        " ORDER BY i.indexrelid"
    ),
    concat!(
        "SELECT pg_get_triggerdef(g.oid) || ';' FROM pg_catalog.pg_trigger g JOIN ",
        "pg_catalog.pg_class c ON c.oid = g.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = ",
        "c.relnamespace WHERE NOT g.tgisinternal AND ",
        own!("pg_class", "c.oid"),
        " ORDER BY g.oid"
    ),
];

/// Tables with rows of their own: schema, name, and a column of time that leads an index.
pub const TABLES: &str = concat!(
    "SELECT n.nspname, c.relname, (SELECT a.attname FROM pg_catalog.pg_index i JOIN ",
    "pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] WHERE i.indrelid ",
    "= c.oid AND i.indisvalid AND i.indpred IS NULL AND a.atttypid IN ('timestamp'::regtype, ",
    "'timestamptz'::regtype, 'date'::regtype) ORDER BY a.attnum LIMIT 1) ",
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ",
    "WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND ",
    own!("pg_class", "c.oid"),
    " ORDER BY n.nspname, c.relname"
);

/// What there is and is not kept: kind and name.
pub const NOT_KEPT: &str = concat!(
    "SELECT 'foreign table', ",
    name!("c.relname"),
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ",
    "c.relkind = 'f' AND ",
    own!("pg_class", "c.oid"),
    " UNION ALL SELECT 'large objects', count(*)::text FROM pg_catalog.pg_largeobject_metadata ",
    "HAVING count(*) > 0 UNION ALL SELECT 'aggregate', ",
    name!("p.proname"),
    " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE ",
    "p.prokind IN ('a', 'w') AND ",
    own!("pg_proc", "p.oid"),
    " UNION ALL SELECT 'range type', ",
    name!("t.typname"),
    " FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE ",
    "t.typtype IN ('r', 'b') AND t.typelem = 0 AND ",
    own!("pg_type", "t.oid"),
    " UNION ALL SELECT 'rules of a table', ",
    name!("c.relname"),
    " FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class JOIN ",
    "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE w.rulename <> '_RETURN' AND ",
    own!("pg_class", "c.oid"),
    " ORDER BY 1, 2"
);

/// What is left out without any row being lost by it.
pub const LEFT_OUT: &str = concat!(
    "SELECT 'row-level security of', ",
    name!("c.relname"),
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ",
    "c.relrowsecurity AND ",
    own!("pg_class", "c.oid"),
    " UNION ALL SELECT 'policy', quote_ident(y.polname) || ' of ' || ",
    name!("c.relname"),
    " FROM pg_catalog.pg_policy y JOIN pg_catalog.pg_class c ON c.oid = y.polrelid JOIN ",
    "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ",
    own!("pg_class", "c.oid"),
    " UNION ALL SELECT 'collation', ",
    name!("l.collname"),
    " FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace ",
    "WHERE ",
    own!("pg_collation", "l.oid"),
    " UNION ALL SELECT 'publication', quote_ident(pubname) FROM pg_catalog.pg_publication ",
    " ORDER BY 1, 2"
);

/// Version of the server and of the database's encoding.
pub const IDENTITY: &str = "SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN \
    ('server_version', 'server_encoding', 'TimeZone', 'block_size') ORDER BY name";

/// Version as a number: 150004 is 15.4.
pub const VERSION: &str =
    "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'server_version_num'";
