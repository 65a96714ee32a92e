"""Where values come from, and what never happens to a secret on the command line."""

import json

import pytest

from tests.cli.conftest import KEY, SECRET

LEAKED = "leaked-Zq81xK"
WRONG_PLACES = [
    (f"api_secret={LEAKED}",),
    (f"api_secret=\\@{LEAKED}",),
    (f"api_secret=\\env:{LEAKED}",),
    (f"api_secret={LEAKED}=",),
    (LEAKED,),
    (f"{LEAKED}=",),
    (f"{LEAKED.lower().replace('-', '_')}=x",),
    (f"api_secret=@{LEAKED}",),
    (f"api_secret=@{LEAKED}\udc80",),
    (f"api_secret=env:{LEAKED}",),
    (f"api_secret={LEAKED}", "--field", "api_secret=-"),
    ("api_secret", f"={LEAKED}"),
    ("api_secret", "=", LEAKED),
]


def revealed(cli, field, name="Zoom"):
    """Return a value as it was stored."""
    return cli.ok("reveal", name, "--field", field, "--no-newline")


def fields(cli, name="Zoom"):
    """Return what is shown of a token's fields."""
    return json.loads(cli.ok("show", name, "--format", "json"))["fields"]


@pytest.mark.parametrize("words", WRONG_PLACES, ids=ascii)
@pytest.mark.parametrize("command", ["add", "edit"])
def test_a_secret_in_the_command_line_is_refused_and_not_repeated(token, command, words):
    """Whatever stands where a secret does not belong is refused, with a hint, and appears in no message."""
    name = "Zoom" if command == "edit" else "Other"
    for debug in ([], ["--debug"]):
        ran = token(command, name, "--field", *words, *debug)
        assert (ran.code, ran.out) == (2, "")
        assert "hint: " in ran.err
        assert LEAKED.lower() not in ran.err.lower().replace("_", "-")
    assert json.loads(token.ok("show", "Zoom", "--format", "json"))["revision"] == 1


@pytest.mark.parametrize(
    ("given", "stored"),
    [("value", "value"), ("value\n", "value"), ("value\r\n", "value"), ("value \n", "value ")],
    ids=ascii,
)
def test_standard_input_loses_one_newline(cli, secrets, given, stored):
    """A value from standard input is what was written, without the newline that ends it."""
    cli.ok("add", "Zoom", *secrets[:2], "--field", "api_secret=-", "--provider", "zoom", given=given.strip() + "\n")
    ran = cli("edit", "Zoom", "--field", "api_secret=-", given=given)
    if " " in stored:
        assert ran.code == 2
    else:
        assert revealed(cli, "api_secret") == stored


@pytest.mark.parametrize("given", ["two\nlines\n", "newline\n\n", "nul\0", "", "\n", "\ud7ff\u2028", "x" * 20_000])
def test_values_no_credential_has(token, given):
    """A value with a line break or a NUL inside, an empty and an endless one are refused, and not repeated."""
    ran = token("edit", "Zoom", "--field", "api_secret=-", given=given)
    assert (ran.code, ran.out) == (2, "")
    assert "api_secret" in ran.err
    assert not given.strip() or given.strip()[:8] not in ran.err
    assert revealed(token, "api_secret") == SECRET


@pytest.mark.parametrize("given", [b"\xff\xfe\n", b"x" * 2_000_000])
def test_standard_input_that_is_no_value(token, given):
    """What is not UTF-8, or far too long, is refused in one line."""
    ran = token("edit", "Zoom", "--field", "api_secret=-", given=given)
    assert ran.code == 2
    assert len(ran.err.splitlines()) <= 2


def test_a_file_and_the_environment(cli, tmp_path):
    """``@FILE`` loses one newline; ``env:NAME`` is taken as it is."""
    (tmp_path / "k").write_bytes(b"from-a-file\n")
    cli.ok("add", "Zoom", "--field", "api_key=@k", "--field", "api_secret=env:MY_SECRET", MY_SECRET="from-outside")
    assert revealed(cli, "api_key") == "from-a-file"
    assert revealed(cli, "api_secret") == "from-outside"


@pytest.mark.parametrize("source", ["@missing", "@.", "env:NOT_SET", "@key.txt/below"])
def test_a_source_that_is_not_there(cli, secrets, source):
    """A missing file or variable is a clear error, and nothing is stored."""
    ran = cli("add", "Zoom", *secrets[:2], "--field", f"api_secret={source}")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: the ")
    assert "API Secret (api_secret)" in ran.err
    assert cli.ok("list", "--format", "json") == "[]\n"


@pytest.mark.parametrize(
    "words",
    [
        ("--field", "api_key=-", "--field", "api_secret=-"),
        ("--field", "api_key=@key.txt", "--field", "api_secret=-", "--description", "-"),
    ],
)
def test_standard_input_is_read_once(cli, secrets, words):
    """At most one value of a command comes from standard input, the description counted."""
    ran = cli("add", "Zoom", *words, given="x\n")
    assert ran.code == 2
    assert "once only" in ran.err


def test_a_field_twice(cli, secrets):
    """A field is given one value."""
    ran = cli("add", "Zoom", *secrets, "--field", "api_key=@key.txt")
    assert ran.code == 2
    assert "second value" in ran.err


@pytest.mark.parametrize(
    ("source", "stored"),
    [
        ("https://example.com/-", "https://example.com/-"),
        ("-", "https://example.com/in"),
        ("@url.txt", "https://example.com/file"),
        ("env:THE_URL", "https://example.com/env"),
    ],
)
def test_what_is_not_secret_may_be_written_out(token, tmp_path, source, stored):
    """A field that is not secret takes every source, and is shown."""
    (tmp_path / "url.txt").write_text("https://example.com/file\n", encoding="utf-8")
    token.ok(
        "edit",
        "Zoom",
        "--field",
        f"api_url={source}",
        given="https://example.com/in\n",
        THE_URL="https://example.com/env",
    )
    assert fields(token)["api_url"] == {"secret": False, "set": True, "value": stored}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("\\-", "-"),
        ("\\@home", "@home"),
        ("\\env:X", "env:X"),
        ("\\\\-", "\\-"),
        ("\\\\@x", "\\@x"),
        ("\\x", "\\x"),
        ("-x", "-x"),
        ("", ""),
        ("a\\@b", "a\\@b"),
    ],
)
def test_a_backslash_lets_a_value_look_like_a_source(source, value):
    """One backslash before ``-``, ``@`` and ``env:`` is cut, so that every value can be written."""
    from cli import sources  # noqa: PLC0415 - nothing else here looks inside

    assert sources.is_literal(source)
    assert sources.literal(source) == value


@pytest.mark.parametrize(
    ("source", "stored"),
    [
        ("plain", "plain"),
        ("env:X", "env:X"),
        ("\\@x", "@x"),
        ("-", "two\nlines"),
        ("@text.txt", "from\na file"),
        ("", ""),
    ],
)
def test_descriptions(token, tmp_path, source, stored):
    """A description is its text, standard input or a file, one newline cut; it is kept as it is."""
    (tmp_path / "text.txt").write_text("from\na file\n", encoding="utf-8")
    token.ok("edit", "Zoom", "--description", "before")
    token.ok("edit", "Zoom", "--description", source, given="two\nlines\n")
    assert json.loads(token.ok("show", "Zoom", "--format", "json"))["description"] == stored


def test_unsetting(token):
    """An optional field can be unset; a required one cannot, nor one that is set by the same command."""
    token.ok("edit", "Zoom", "--field", "api_url=https://example.com")
    assert token("edit", "Zoom", "--field", "api_url=https://a.example", "--unset", "api_url").code == 2
    assert token("edit", "Zoom", "--unset", "api_secret").code == 2
    assert token("edit", "Zoom", "--unset", "nonsense").code == 2
    token.ok("edit", "Zoom", "--unset", "api_url")
    assert fields(token)["api_url"] == {"secret": False, "set": False, "value": None}
    assert revealed(token, "api_key") == KEY


def test_another_provider(token, tmp_path):
    """Changing the provider takes its fields; all of it is one step of the revision."""
    assert token("edit", "Zoom", "--provider", "zoom-oauth").code == 2
    token.ok(
        "edit",
        "Zoom",
        *("--provider", "zoom-oauth", "--field", "account_id=abc", "--field", "client_id=def"),
        *("--field", "client_secret=env:NEW", "--description", "moved"),
        NEW="a-new-secret",
    )
    shown = json.loads(token.ok("show", "Zoom", "--format", "json"))
    assert (shown["provider"], shown["revision"]) == ("zoom-oauth", 2)
    assert shown["fields"]["client_id"] == {"secret": False, "set": True, "value": "def"}
    assert shown["fields"]["client_secret"] == {"secret": True, "set": True}
