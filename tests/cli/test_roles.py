"""What each role may run: everything else ends with 6 and one line, before anything is read, asked or done."""

import os

import pytest

from tests.cli.harness import typed
from tests.cli.team import APP, complete
from tests.cli.test_bad_input import refused

EVERY_ENGINE = True

LINE = "--public-key", "no-line-at-all"
READING = [
    ("list",),
    ("list", "--exposed"),
    ("list", "--unused", "90d", "--stale", "90d"),
    ("usage", "Zoom"),
    ("show", "Zoom"),
    ("show", "Zoom", "--as-of", "2999-01-01"),
    ("history",),
    ("history", "--diff"),
    ("history", "--as-of", "2999-01-01"),
    ("export",),
    ("export", "--format", "csv", "--after", "1"),
    ("app", "list"),
    ("member", "list"),
    ("key", "list"),
]
CHANGING = [
    ("add", "New"),
    ("add", "New", "--field", "api_key=@nowhere", "--description", "@nowhere"),
    ("add", "New", "--app", "Nowhere", "--provider", "nonsense"),
    ("edit", "Zoom", "--description", "@nowhere"),
    ("edit", "Zoom", "--field", "api_key=env:NOT_SET"),
    ("rename", "Zoom", "a/b"),
    ("remove", "Zoom"),
    ("remove", "Nope", "--yes"),
    ("test", "Zoom"),
    ("import", "nowhere.jsonl"),
    ("app", "add", "Other", "--kind", "form"),
    ("app", "rename", APP, "Other"),
    ("app", "remove", APP),
    ("policy", "set", "allow-plaintext", "yes"),
    ("member", "add", "eve", "--role", "admin", *LINE),
    ("member", "role", "bob", "admin"),
    ("member", "renew", "bob", *LINE),
    ("member", "remove", "bob"),
    ("key", "rotate"),
]
OPENING = [
    ("reveal", "Zoom", "--field", "api_key"),
    ("reveal", "Nope", "--field", "api_key", "--explain"),
    ("run", "Zoom", "--", "true"),
    ("run", "Nope", "--token", "=", "--only", "x", "--", "no-such-program"),
]
REFUSED = [("app", words) for words in READING + CHANGING] + [("auditor", words) for words in CHANGING + OPENING]


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """Return a team of which nobody changes anything."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TOKEN_REGISTRY_")]:
            patch.delenv(name)
        return complete(tmp_path_factory.mktemp("team"))


@pytest.mark.parametrize(
    ("role", "words"), REFUSED, ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_refused(members, role, words):
    """A command that the role may not run says so, whatever else is wrong with it."""
    team, others = members
    before = team.ada.ok("history", "--format", "json")
    assert f"yours is {role}" in refused(others[role](*words), 6)
    assert team.ada.ok("history", "--format", "json") == before


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_an_auditor_reads(members, words):
    """An auditor reads all that an admin reads."""
    team, others = members
    assert others["auditor"].ok(*words) == team.ada.ok(*words)


@pytest.mark.parametrize("role", ["auditor", "app"])
@pytest.mark.parametrize("words", [("whoami",), ("identity", "show"), ("policy", "list"), ("doctor",)], ids=" ".join)
def test_for_everyone(members, role, words):
    """Who one is, and what is wrong on one's own machine, everybody may know."""
    assert members[1][role].ok(*words)


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("auditor", ("add", "New")),
        ("auditor", ("edit", "Zoom", "--field", "api_secret=-")),
        ("auditor", ("edit", "Zoom", "--description", "-")),
        ("auditor", ("remove", "Zoom")),
        ("auditor", ("app", "remove", APP)),
        ("auditor", ("member", "remove", "server")),
        ("auditor", ("member", "add", "eve", "--role", "admin", "--public-key", "-")),
        ("app", ("add", "New")),
        ("app", ("remove", "Zoom")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_nobody_is_asked_in_vain(members, role, words):
    """On a terminal, too, the refusal comes before any question."""
    ran = typed(members[1][role].home, *words)
    assert (ran.code, len(ran.out.splitlines())) == (6, 1)
    assert f"yours is {role}" in ran.out


def test_what_an_app_member_means(members):
    """A name without --app is one's own application's first; others' tokens are not found, whether there or not."""
    server = members[1]["app"]
    own = server("reveal", "Zoom", "--field", "api_key", "--explain")
    assert (own.code, own.out) == (0, "canary-of-the-team\n")
    assert (len(own.err.splitlines()), "comes before a global one" in own.err) == (1, True)
    assert "was asked for" in server("reveal", "Zoom", "--field", "api_key", "--global", "--explain").err
    server.ok("reveal", "Zoom", "--field", "api_key", "--app", APP.lower(), "--process", "payroll")
    there = refused(server("reveal", "Zoom", "--field", "api_key", "--app", "Other"), 3)
    assert there == refused(server("reveal", "Zoom", "--field", "api_key", "--app", "Nowhere"), 3)
    refused(server("reveal", "Zoom", "--field", "api_key", "--app", APP, "--global"), 2)


def test_an_admin_means_the_global_one(members):
    """For an admin a name without --app is the global token."""
    admin = members[1]["second"]
    ran = admin("reveal", "Zoom", "--field", "api_key", "--explain")
    assert (ran.code, ran.err) == (0, "Zoom: a name without an application means the global token\n")


def test_a_form_based_app_serves_no_process(team, tmp_path):
    """The token of a form-based app is refused to a caller that names a process."""
    (tmp_path / "value").write_text("v\n", encoding="utf-8")
    team.ada.ok("app", "add", "Leave", "--kind", "form")
    team.ada.ok("add", "Zoom", "--app", "Leave", "--field", "api_key=@value", "--field", "api_secret=@value")
    form = team.admit("form", "app", "--app", "Leave")
    assert form.ok("reveal", "Zoom", "--field", "api_key") == "v\n"
    refused(form("reveal", "Zoom", "--field", "api_key", "--process", "payroll"), 6)
