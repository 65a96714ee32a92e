"""The format ``ocsf``, against the schema that OCSF published."""

import json
import re
from typing import ClassVar

import pytest
from msgspec import structs

from registry.domain.events import Event
from registry.exports import ocsf
from registry.store.topics import topics
from tests.exports import readers
from tests.exports.records import record_of, sampled
from tests.golden import samples
from tests.project.sources import DOCS

DOCUMENTS = {name: json.loads(ocsf.line(record)) for name, record in sampled().items()}


class Later(Event, frozen=True, kw_only=True):
    """A kind of event of another version, of which nothing here knows."""

    TOPIC: ClassVar[str] = "log.rollback_accepted"
    size: int
    note: str | None = None
    hashes: tuple[bytes, ...] = ()


def later():
    """Return such an event."""
    common = {name: getattr(samples.EVENTS["token.deleted"], name) for name in Event.__struct_fields__}
    return Later(**common, size=17, note="restored", hashes=(b"x",))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_published_schema_finds_nothing_wrong(name):
    """Each sample is valid in its class, and unknown attributes would not be."""
    assert readers.faults(DOCUMENTS[name]) == []
    assert readers.faults(DOCUMENTS[name] | {"surprise": 1})


@pytest.mark.parametrize("name", DOCUMENTS)
def test_type_is_class_and_activity(name):
    """``type_uid`` is the class times 100 and the activity: the schema leaves that to the writer."""
    document = DOCUMENTS[name]
    assert document["type_uid"] == document["class_uid"] * 100 + document["activity_id"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_captions_are_the_published_ones(name):
    """Every number comes with the name that the schema gives it."""
    document = DOCUMENTS[name]
    kind = next(one for one in readers.published()["classes"].values() if one["uid"] == document["class_uid"])
    assert (document["class_name"], document["category_name"]) == (kind["caption"], kind["category_name"])
    for number, caption in (
        ("type_uid", "type_name"),
        ("category_uid", "category_name"),
        ("severity_id", "severity"),
        ("status_id", "status"),
        ("activity_id", "activity_name"),
    ):
        said = kind["attributes"][number]["enum"][str(document[number])]["caption"]
        assert document[caption] == said or (number, document[number]) == ("activity_id", ocsf.OTHER)
    if "entity" in document:
        types = readers.published()["objects"]["managed_entity"]["attributes"]["type_id"]["enum"]
        entity = document["entity"]
        assert entity["type_id"] == 99 or entity["type"] == types[str(entity["type_id"])]["caption"]


@pytest.mark.parametrize("topic", sorted(topics()))
def test_every_topic_has_a_class(topic):
    """A topic leads to one class and activity, and disclosures alone to API Activity."""
    sample = next(event for event in samples.EVENTS.values() if topic == event.TOPIC)
    document = ocsf.document(record_of(sample))
    assert document["type_uid"] == document["class_uid"] * 100 + document["activity_id"]
    assert (document["class_uid"] == 6003) == (topic == "token.disclosed")
    assert document["metadata"]["event_code"] == topic
    assert readers.faults(json.loads(ocsf.line(record_of(sample)))) == []


def test_the_table_in_the_documentation_is_this():
    """The page on exports has the class and activity of each topic, and of no other."""
    text = (DOCS / "exports.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| ([\w ]+) \((\d+)\) \| (\w+) \((\d+)\) \|$", text, flags=re.MULTILINE)
    told = {topic: (name, int(uid), int(activity)) for topic, name, uid, _, activity in rows}
    assert told == {topic: (kind.name, kind.uid, activity) for topic, (kind, activity) in ocsf.ACTIVITIES.items()}


def test_an_unknown_kind_of_event_is_other():
    """What a later version writes is exported as *Other*, with the plain facts that it holds."""
    document = json.loads(ocsf.line(record_of(later())))
    assert readers.faults(document) == []
    assert (document["type_uid"], document["activity_name"]) == (300499, "Rollback accepted")
    assert document["entity"]["uid"] == samples.REGISTRY.hex()
    assert document["entity"]["type"] == "Log"
    assert document["unmapped"]["detail"] == {"size": 17, "note": "restored"}


def test_a_disclosure_says_who_where_and_what():
    """API Activity has its actor, its operation, its endpoint, and the token as a resource."""
    document = DOCUMENTS["token.disclosed"]
    assert document["api"]["operation"] == "resolve"
    assert document["actor"]["user"] == {"uid": samples.MEMBER, "name": "alice"}
    assert document["src_endpoint"] == {"hostname": "desk"}
    assert document["resources"] == [{"uid": samples.TOKEN, "name": "Zoom", "type": "Token", "version": "2"}]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("accepted", 1), ("accepted_missing_scope", 1), ("rejected", 2), ("retired", 2), ("unreachable", 0), ("odd", 0)],
)
def test_a_connection_test_has_its_status(outcome, status):
    """What the provider refused is a failure; where it gave no verdict, nothing is claimed."""
    event = structs.replace(samples.EVENTS["token.tested"], outcome=outcome, detail="")
    document = json.loads(ocsf.line(record_of(event)))
    assert (document["status_id"], document["status_code"]) == (status, outcome)
    assert "status_detail" not in document
    assert readers.faults(document) == []


def test_the_time_is_in_whole_milliseconds():
    """Time is cut to milliseconds, never rounded up into a moment that was not yet."""
    record = sampled()["token.deleted"]
    late = structs.replace(record, entry=structs.replace(record.entry, at=samples.AT.replace(microsecond=999_999)))
    assert ocsf.document(late)["time"] == 1_801_396_800_999
    assert ocsf.document(record)["metadata"]["original_time"] == "2027-01-31T12:00:00.000250Z"


def test_a_member_and_a_policy_are_what_ocsf_calls_them():
    """Where the schema knows a kind of entity, the entity is described as that kind."""
    assert DOCUMENTS["member.removed"]["entity"]["user"] == {"uid": samples.MEMBER, "name": "alice"}
    assert DOCUMENTS["policy.changed"]["entity"]["policy"]["name"] == "allow-plaintext"
    assert DOCUMENTS["token.deleted"]["comment"] == "why not — «ü»"
