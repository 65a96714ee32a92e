"""Other readers of the exports: parsers that know nothing of how the lines were made."""

import csv
import io
import json
import re
from functools import cache

from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from tests.project.sources import DOCS

OCSF_VERSION = "1.8.0"


def undone(cell):
    """Return a text of a CSV cell as it was, by the example in the documentation."""
    text = (DOCS / "exports.md").read_text(encoding="utf-8")
    space = {}
    exec(re.search(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)[1], space)  # noqa: S102 - the point
    return space["undone"](cell)


def read_csv(text):
    """Return the rows of a CSV text, each by the names of its heading."""
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def read_event(line):
    """Return a line as the CloudEvent that its own library takes it for."""
    return JSONFormat().read(None, line.encode())


@cache
def published():
    """Return the schema that OCSF published."""
    return get_ocsf_schema(OCSF_VERSION)


@cache
def _validator(class_uid):
    schema = OcsfJsonSchemaEmbedded(published())
    return Draft202012Validator(schema.get_class_schema(schema.lookup_class_name_from_uid(class_uid)))


def faults(document):
    """Return what the published schema finds wrong with an OCSF record."""
    return [f"{error.json_path}: {error.message}" for error in _validator(document["class_uid"]).iter_errors(document)]


def read_line(line):
    """Return the JSON of a line; there is nothing else on it."""
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    return json.loads(line)
