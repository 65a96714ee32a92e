"""Shredding in PostgreSQL: what the server's own files hold after a key was overwritten."""

from registry import diagnose, open_registry
from registry.store.postgres import shredding
from tests.service.attacks import OLD, edit, fields, token

ENGINE = "postgres"


def bytes_of(server, schema):
    """Return what lies in the files of the tables that hold keys and values."""
    server.sql("CHECKPOINT")
    names = [f'"{schema}".{table}' for table in ("data_keys", "tokens")]
    return b"".join(
        bytes(server.sql("SELECT pg_read_binary_file(pg_relation_filepath(%s))", (name,))[0][0]) for name in names
    )


def wrapped_key(server, schema):
    """Return the data key of the one token, as it is stored."""
    return bytes(server.sql(f'SELECT wrapped FROM "{schema}".data_keys')[0][0])


def test_no_file_holds_a_key_that_was_overwritten(filled, server, schema):
    """After a change or a removal the tables' files hold no former key, and no later commit says that any is due."""
    first = wrapped_key(server, schema)
    assert first in bytes_of(server, schema), "it would be found"
    filled.tokens.edit("Zoom", edit(fields=fields("second")))
    second = wrapped_key(server, schema)
    assert first not in bytes_of(server, schema)
    assert not filled._ledger.store.shred_pending()
    filled.tokens.remove("Zoom")
    assert second not in bytes_of(server, schema)
    filled.tokens.add(token("Mail"))
    assert not filled._ledger.head.shred_due


def test_no_statistics_hold_a_key(filled, server, schema):
    """The server's own samples of the tables hold nothing that is to be destroyed, whoever asks for them."""
    server.sql(f'ANALYZE "{schema}".data_keys')
    server.sql(f'ANALYZE "{schema}".tokens')
    sampled = server.sql(
        "SELECT attname FROM pg_stats WHERE schemaname = %s AND tablename IN ('data_keys', 'tokens')", (schema,)
    )
    secret = {"wrapped", "box", "card", "plain", "fingerprints", "name_tag"}
    assert {name for (name,) in sampled}.isdisjoint(secret)
    assert "token_id" in {name for (name,) in sampled}, "it would be found"


def test_what_somebody_still_looks_at_is_pending(filled, server, schema, founded, around):
    """A snapshot keeps what was overwritten; that is said, and the next command writes the table anew."""
    first = wrapped_key(server, schema)
    with server.connect() as reader, reader.transaction():
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute(f'SELECT 1 FROM "{schema}".commits LIMIT 1')
        filled.tokens.edit("Zoom", edit(fields=fields("second")))
        assert filled._ledger.store.shred_pending()
        assert first in bytes_of(server, schema)
        assert any("shredding is pending" in one.message for one in diagnose(founded, surroundings=around).findings)
    open_registry(founded, surroundings=around).close()
    assert first not in bytes_of(server, schema)
    assert not filled._ledger.store.shred_pending()


def test_a_table_that_is_in_use_is_waited_for_but_not_for_long(filled, server, schema, monkeypatch):
    """Who reads the table of keys for long does not hold up the change, which leaves its shredding pending."""
    monkeypatch.setattr(shredding, "_WAIT", 0.2)
    with server.connect() as reader, reader.transaction():
        reader.execute(f'SELECT 1 FROM "{schema}".data_keys')
        assert filled.tokens.edit("Zoom", edit(fields=fields("second"))).changed
        assert filled._ledger.store.shred_pending()
    assert filled._ledger.store.shred()
    assert not filled._ledger.store.shred_pending()


def test_a_readable_value_is_shredded_too(registry, server, schema):
    """What was stored readable by choice is in no table's file any more once it was changed."""
    registry.policies.set("allow-plaintext", "yes")
    registry.tokens.add(token("Open", fields=fields(OLD), encrypted=False))
    assert OLD.encode() in bytes_of(server, schema)
    registry.tokens.edit("Open", edit(fields=fields("second")))
    assert OLD.encode() not in bytes_of(server, schema)
