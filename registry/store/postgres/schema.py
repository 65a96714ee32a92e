"""The tables of a PostgreSQL store: those of SQLite, with one more to take turns by and one for what was shredded.

``docs/formats.md`` says what each column holds.
"""

from registry.store.schema import SCHEMA_VERSION, VERSIONS, WITH_INSTANCE

__all__ = ["MARK", "REWRITTEN", "VERSIONS", "differences", "statements"]

MARK = "token registry, schema"
"""Stands before the version in the comment of the database's schema: what tells a registry from any other."""

REWRITTEN = ("data_keys", "tokens")
"""The tables that are written anew, so that their files forget what was overwritten."""
_APPEND_ONLY = ("stored_events", "commits", "log_nodes")

# Names compare byte by byte, whatever the database's language: ranges of them are verified side by side.
# What is sealed cannot be compressed.
_TABLES = """
CREATE TABLE {s}.stored_events (
    originator_id text COLLATE "C" NOT NULL,
    originator_version bigint NOT NULL,
    topic text COLLATE "C" NOT NULL,
    state bytea STORAGE EXTERNAL NOT NULL,
    position bigint PRIMARY KEY,
    commit_number bigint NOT NULL,
    UNIQUE (originator_id, originator_version)
);
CREATE TABLE {s}.commits (
    number bigint PRIMARY KEY,
    author text COLLATE "C" NOT NULL,
    at text COLLATE "C" NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    present bytea NOT NULL,
    roster_length bigint NOT NULL,
    roster_head bytea NOT NULL,
    shredded bigint NOT NULL,
    signature bytea NOT NULL
);
CREATE TABLE {s}.log_nodes (number bigint PRIMARY KEY, hash bytea NOT NULL);
CREATE TABLE {s}.present_units (unit bigint PRIMARY KEY, data bytea STORAGE EXTERNAL NOT NULL);
CREATE TABLE {s}.tokens (
    token_id text COLLATE "C" PRIMARY KEY,
    application_id text COLLATE "C",
    name_tag bytea NOT NULL UNIQUE,
    version bigint NOT NULL,
    revision bigint NOT NULL,
    box_revision bigint NOT NULL,
    position bigint NOT NULL,
    card bytea STORAGE EXTERNAL NOT NULL,
    box bytea STORAGE EXTERNAL NOT NULL,
    plain bytea,
    fingerprints bytea STORAGE EXTERNAL NOT NULL
);
CREATE INDEX tokens_by_application ON {s}.tokens (application_id);
CREATE TABLE {s}.data_keys (token_id text COLLATE "C" PRIMARY KEY, wrapped bytea NOT NULL);
CREATE TABLE {s}.instance (id text COLLATE "C" PRIMARY KEY);
CREATE TABLE {s}.shreddings (commit_number bigint PRIMARY KEY);
CREATE TABLE {s}.turns (nobody boolean);
CREATE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;
"""
# The server's own statistics would hold samples, readable ones, of what is destroyed later.
_SECRET = (
    ("data_keys", "wrapped"),
    *(("tokens", column) for column in ("name_tag", "card", "box", "plain", "fingerprints")),
)
_UNSAMPLED = "ALTER TABLE {s}.{table} ALTER COLUMN {column} SET STATISTICS 0;"
_TRIGGER = (
    "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {s}.{table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION {s}.refuse();"
)


def statements(schema: str) -> str:
    """Return the statements that make an empty store in a new schema, to be carried out in one transaction."""
    name = f'"{schema}"'
    unsampled = "\n".join(_UNSAMPLED.format(s=name, table=t, column=c) for t, c in _SECRET)
    triggers = "\n".join(_TRIGGER.format(s=name, table=table) for table in _APPEND_ONLY)
    comment = f"COMMENT ON SCHEMA {name} IS '{MARK} {SCHEMA_VERSION}';"
    return f"CREATE SCHEMA {name};{_TABLES.format(s=name)}{unsampled}\n{triggers}\n{comment}"


CATALOG = r"""
WITH space AS (
    SELECT oid FROM pg_catalog.pg_namespace
    WHERE nspname = %(schema)s AND pg_catalog.set_config('quote_all_identifiers', 'off', true) = 'off'
),
parts AS (
    SELECT CASE relkind WHEN 'r' THEN 'table ' WHEN 'i' THEN 'index ' ELSE relkind::text || ' ' END || relname AS named,
        CASE WHEN relrowsecurity THEN 'row security' WHEN relispartition THEN 'partition' ELSE 'plain' END AS said
    FROM pg_catalog.pg_class WHERE relnamespace IN (SELECT oid FROM space) AND relkind <> 't'
    UNION ALL
    SELECT 'column ' || relname || '.' || attname, pg_catalog.format_type(atttypid, atttypmod)
        || CASE WHEN attnotnull THEN ' not null' ELSE '' END || CASE WHEN collname = 'C' THEN ' C' ELSE '' END
        || CASE WHEN attstattarget = 0 THEN ' unsampled' ELSE '' END
        || CASE WHEN attgenerated <> '' OR attidentity <> '' OR atthasdef THEN ' made' ELSE '' END
    FROM pg_catalog.pg_class JOIN pg_catalog.pg_attribute ON attrelid = pg_class.oid AND attnum > 0
    LEFT JOIN pg_catalog.pg_collation ON attcollation = pg_collation.oid
    WHERE relnamespace IN (SELECT oid FROM space) AND relkind NOT IN ('i', 't') AND NOT attisdropped
    UNION ALL
    SELECT 'constraint ' || relname, pg_catalog.pg_get_constraintdef(pg_constraint.oid)
    FROM pg_catalog.pg_constraint JOIN pg_catalog.pg_class ON conrelid = pg_class.oid
    WHERE connamespace IN (SELECT oid FROM space) AND contype <> 'n'
    UNION ALL
    SELECT 'trigger ' || relname, tgname || ' ' || tgtype || ' ' || tgenabled::text || ' ' || proname
    FROM pg_catalog.pg_trigger JOIN pg_catalog.pg_class ON tgrelid = pg_class.oid
    JOIN pg_catalog.pg_proc ON tgfoid = pg_proc.oid WHERE relnamespace IN (SELECT oid FROM space)
    UNION ALL
    SELECT 'rule ' || relname, rulename FROM pg_catalog.pg_rewrite JOIN pg_catalog.pg_class ON ev_class = pg_class.oid
    WHERE relnamespace IN (SELECT oid FROM space)
    UNION ALL
    SELECT 'function ' || proname, pg_catalog.md5(prosrc) FROM pg_catalog.pg_proc
    WHERE pronamespace IN (SELECT oid FROM space)
)
SELECT named || ': ' || said FROM parts ORDER BY 1
"""
"""Asks for all that stands in a schema, a line for each part.

Names stand in quotes only where they must, whatever the role has set: for this statement or transaction alone.
"""

_EXPECTED = frozenset(
    """column commits.at: text not null C
column commits.author: text not null C
column commits.number: bigint not null
column commits.present: bytea not null
column commits.root: bytea not null
column commits.roster_head: bytea not null
column commits.roster_length: bigint not null
column commits.shredded: bigint not null
column commits.signature: bytea not null
column commits.size: bigint not null
column data_keys.token_id: text not null C
column data_keys.wrapped: bytea not null unsampled
column instance.id: text not null C
column log_nodes.hash: bytea not null
column log_nodes.number: bigint not null
column present_units.data: bytea not null
column present_units.unit: bigint not null
column shreddings.commit_number: bigint not null
column stored_events.commit_number: bigint not null
column stored_events.originator_id: text not null C
column stored_events.originator_version: bigint not null
column stored_events.position: bigint not null
column stored_events.state: bytea not null
column stored_events.topic: text not null C
column tokens.application_id: text C
column tokens.box: bytea not null unsampled
column tokens.box_revision: bigint not null
column tokens.card: bytea not null unsampled
column tokens.fingerprints: bytea not null unsampled
column tokens.name_tag: bytea not null unsampled
column tokens.plain: bytea unsampled
column tokens.position: bigint not null
column tokens.revision: bigint not null
column tokens.token_id: text not null C
column tokens.version: bigint not null
column turns.nobody: boolean
constraint commits: PRIMARY KEY (number)
constraint data_keys: PRIMARY KEY (token_id)
constraint instance: PRIMARY KEY (id)
constraint log_nodes: PRIMARY KEY (number)
constraint present_units: PRIMARY KEY (unit)
constraint shreddings: PRIMARY KEY (commit_number)
constraint stored_events: PRIMARY KEY ("position")
constraint stored_events: UNIQUE (originator_id, originator_version)
constraint tokens: PRIMARY KEY (token_id)
constraint tokens: UNIQUE (name_tag)
function refuse: 22977f0626384020ebe6395cd3bb4f2c
index commits_pkey: plain
index data_keys_pkey: plain
index instance_pkey: plain
index log_nodes_pkey: plain
index present_units_pkey: plain
index shreddings_pkey: plain
index stored_events_originator_id_originator_version_key: plain
index stored_events_pkey: plain
index tokens_by_application: plain
index tokens_name_tag_key: plain
index tokens_pkey: plain
table commits: plain
table data_keys: plain
table instance: plain
table log_nodes: plain
table present_units: plain
table shreddings: plain
table stored_events: plain
table tokens: plain
table turns: plain
trigger commits: append_only 58 O refuse
trigger log_nodes: append_only 58 O refuse
trigger stored_events: append_only 58 O refuse""".splitlines()
)
"""What it answers of a store."""


def differences(found: list[str], version: int) -> list[str]:
    """Return what is different from the schema of a store of a version, in words, a line for each part."""
    expected = {line for line in _EXPECTED if version >= WITH_INSTANCE or "instance" not in line}
    extra, missing = sorted(set(found) - expected), sorted(expected - set(found))
    lines = [f"{line.partition(':')[0]} is missing or was changed" for line in missing]
    return lines + [f"{line.partition(':')[0]} is no part of a registry" for line in extra]
