"""The statements of every store, as PostgreSQL takes them: its marks for values, and its tables in their schema.

The schema stands in each statement, not in the session: a pooler may give each transaction another session.
"""

import re
from collections.abc import Callable
from functools import cache

from registry.store.raw import READ

_TABLES = re.compile(rf"\b(FROM|JOIN|INTO|UPDATE) ({'|'.join((*READ, 'shreddings', 'turns'))})\b")


@cache
def dialect(schema: str) -> Callable[[str], str]:
    """Return what turns a statement as SQLite takes it into one about the tables of a schema.

    No statement holds a value, a question mark or a percent sign of its own. One that ends with ``IN`` takes a list.
    """
    prefix = f'"{schema}"'  # whose name was checked: it has no character that means anything

    @cache
    def said(statement: str) -> str:
        # Every integer is one here, as the column's type has it.
        statement = re.sub(r"typeof\((\w+)\) = 'integer'", r"\1 IS NOT NULL", statement)
        statement = re.sub(r"typeof\((\w+)\) <> 'integer'", r"\1 IS NULL", statement)
        statement = re.sub(r" IN$", " = ANY(?)", statement)
        return _TABLES.sub(rf"\1 {prefix}.\2", statement).replace("?", "%s")

    return said
