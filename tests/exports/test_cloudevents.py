"""The format ``cloudevents``, read by CloudEvents' own library."""

import re
import unicodedata

import pytest
from hypothesis import given, strategies as st
from msgspec import structs

from registry.exports import cloudevents
from registry.views.subjects import Subject
from tests.exports import readers
from tests.exports.records import record_with, sampled

RECORDS = sampled()


@pytest.mark.parametrize("name", RECORDS)
def test_the_library_of_cloudevents_takes_every_sample(name):
    """Each line is a valid event of version 1.0, and says what its record says."""
    record = RECORDS[name]
    event = readers.read_event(cloudevents.line(record))
    assert (event.get_specversion(), event.get_id(), event.get_source()) == ("1.0", record.event_id, record.origin)
    assert event.get_type() == f"token-registry.{record.entry.event}"
    assert event.get_time() == record.entry.at
    assert event.get_datacontenttype() == "application/json"
    assert event.get_subject() == f"{record.subject.kind}/{record.subject.id}"
    assert event.get_data() == record.document()


def test_attributes_have_names_that_every_transport_takes():
    """Names are lower-case letters and digits, at most twenty."""
    for record in RECORDS.values():
        document = cloudevents.document(record)
        assert all(re.fullmatch(r"[a-z0-9]{1,20}", name) for name in document)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=5))
def test_the_sequence_orders_as_text(positions):
    """Compared as text, as the extension is, sequences stand in the order of the positions."""
    sequences = [cloudevents.document(record_with(position=position))["sequence"] for position in positions]
    assert {len(sequence) for sequence in sequences} == {20}
    assert sorted(sequences) == [cloudevents.document(record_with(position=p))["sequence"] for p in sorted(positions)]


@given(st.text())
def test_attributes_hold_no_controls(text):
    """A hostile policy's name leaves no character in an attribute that CloudEvents forbids there."""
    record = structs.replace(RECORDS["policy.changed"], subject=Subject("policy", text, text))
    for name, value in cloudevents.document(record).items():
        if name != "data":
            assert not [one for one in value if unicodedata.category(one) in {"Cc", "Cs", "Cn"}], name
