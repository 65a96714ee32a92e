"""Values: what may be a name, a text, a moment."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from registry.errors import InvalidValue
from registry.values import (
    fold,
    parse_application_name,
    parse_description,
    parse_expiry,
    parse_member_name,
    parse_moment,
    parse_reason,
    parse_token_name,
    rfc3339,
)

NOW = datetime(2027, 1, 31, 12, 30, 15, 250, tzinfo=UTC)
letters = st.characters(categories=["L", "M", "Nd"])
names = st.text(letters | st.just(" "), min_size=1, max_size=30)


@pytest.mark.parametrize(
    "text",
    ["Zoom", "Zoom Production 2", "Zürich", "זום", "ズーム", "ज़ूम", "١٢٣", "a", "Zoom  Two", "x" * 100],
)
def test_letters_digits_and_inner_spaces_of_any_script_make_a_name(text):
    """Any script's letters, marks and decimal digits are allowed, and ASCII space inside."""
    assert parse_token_name(text) == parse_application_name(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " Zoom",
        "Zoom ",
        "x" * 101,
        "Zoom-2",
        "Zoom_2",
        "a/b",
        "a\tb",
        "a\nb",
        "a\x00b",
        "²",
        "Ⅻ",
        "½",
        "a\u00a0b",
        "a\u200db",
        "a\u202eb",
        "a\ud800",
        "😀",
        "\u0301a",
        "a.b",
        "Zoom\n",
    ],
    ids=ascii,
)
def test_nothing_else_does(text):
    """Empty, too long, outer spaces, other characters, and a name that begins with a mark are refused."""
    for parse in (parse_token_name, parse_application_name):
        with pytest.raises(InvalidValue):
            parse(text)


def test_a_name_is_kept_in_nfc_and_measured_there():
    """Letter and accent become one character, before the length counts."""
    assert parse_token_name("Zu\u0308rich") == "Z\u00fcrich"
    assert len(parse_token_name("u\u0308" * 100)) == 100


@given(names)
def test_a_parsed_name_parses_to_itself(text):
    """Parsing is idempotent, and what it returns is NFC."""
    try:
        name = parse_token_name(text)
    except InvalidValue:
        return
    assert parse_token_name(name) == name == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zoom", "zOOM"),
        ("Straße", "STRASSE"),
        ("Zürich", "Zu\u0308RICH"),
        ("ﬁn", "FIN"),
        ("Ａ1", "a1"),
        ("ΣΑΣ", "σας"),
        ("é", "e\u0301"),
        ("ΌΣΟΣ", "όσος"),
        ("Å", "\u212b"),
    ],
)
def test_names_that_differ_in_case_or_unicode_form_fold_alike(one, other):
    """The folded form ignores case, composition and compatibility."""
    assert fold(one) == fold(other)


@given(names)
def test_folding_ignores_the_form_and_is_done_once(text):
    """Every Unicode form of a name folds alike, and a folded name stays as it is."""
    forms = {fold(unicodedata.normalize(form, text)) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert forms == {fold(text)}
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(("one", "other"), [("Zoom", "Zoom 2"), ("a b", "ab"), ("o", "0"), ("Zoom", "Zööm")])
def test_other_names_fold_apart(one, other):
    """Folding joins nothing that differs in letters, digits or spaces."""
    assert fold(one) != fold(other)


@pytest.mark.parametrize("text", ["a", "alice", "ci-runner.2", "A_b", "x" * 64])
def test_member_names_are_plain_ascii(text):
    """ASCII letters, digits, dot, underscore and hyphen make a member's name."""
    assert parse_member_name(text) == text


@pytest.mark.parametrize("text", ["", "-a", "a-", ".a", "a b", "a:b", "é", "x" * 65, "a\n", "alice\u200b", "١"])
def test_other_member_names_are_refused(text):
    """A member's name begins and ends with a letter or digit and has at most 64 characters."""
    with pytest.raises(InvalidValue):
        parse_member_name(text)


def test_a_description_is_kept_verbatim():
    """Several lines, tabs, and decomposed characters come back as they were."""
    text = "one\r\ntwo\n\tthree  \u202e u\u0308 😀"
    assert parse_description(text) == text
    assert len(parse_description("é" * 4000)) == 4000


@pytest.mark.parametrize("text", ["x" * 4001, "a\x00", "a\x1b[31m", "\x7f", "\x85", "\ud800"], ids=ascii)
def test_descriptions_have_a_length_and_no_controls(text):
    """Over 4,000 characters, control characters and half characters are refused."""
    with pytest.raises(InvalidValue):
        parse_description(text)


@pytest.mark.parametrize(("text", "reason"), [(None, None), ("", None), (" \n", None), (" why ", "why")])
def test_a_reason_is_one_line_or_none(text, reason):
    """An empty reason is none; the space around one goes."""
    assert parse_reason(text) == reason


@pytest.mark.parametrize("text", ["a\nb", "x" * 1001, "a\tb"], ids=ascii)
def test_other_reasons_are_refused(text):
    """A reason has one line of at most 1,000 characters."""
    with pytest.raises(InvalidValue):
        parse_reason(text)


@pytest.mark.parametrize(
    ("text", "expiry"),
    [
        ("2027-01-31", datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)),
        ("2027-01-31T12:00:00Z", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2027-01-31T12:00:00+02:00", datetime(2027, 1, 31, 10, tzinfo=UTC)),
        ("90d", datetime(2027, 5, 1, 12, 30, 15, tzinfo=UTC)),
        ("0d", datetime(2027, 1, 31, 12, 30, 15, tzinfo=UTC)),
        ("never", None),
    ],
)
def test_an_expiry_is_a_day_a_moment_a_number_of_days_or_never(text, expiry):
    """A bare date is the end of that day; all is UTC."""
    assert parse_expiry(text, NOW) == expiry


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2027-02-30",
        "2027-01-31T12:00:00",
        "90",
        "-1d",
        "1.5d",
        "999999d",
        "31.01.2027",
        "Never",
        "1d\n",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "99999d" * 2,
    ],
)
def test_other_dates_are_refused(text):
    """What is no date, has no time zone, or lies outside the calendar is refused."""
    with pytest.raises(InvalidValue):
        parse_expiry(text, NOW)


def test_days_that_leave_the_calendar_are_refused():
    """A number of days that no calendar reaches is an invalid value, not a fault of ours."""
    with pytest.raises(InvalidValue):
        parse_moment("99999d", datetime(9990, 1, 1, tzinfo=UTC), end_of_day=False)


def test_a_moment_can_lie_in_the_past_and_begin_a_day():
    """``90d`` looks back where the past is meant, and a date begins where its end is not."""
    assert parse_moment("1d", NOW, end_of_day=False, past=True) == datetime(2027, 1, 30, 12, 30, 15, tzinfo=UTC)
    assert parse_moment("2027-01-31", NOW, end_of_day=False) == datetime(2027, 1, 31, tzinfo=UTC)


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - the strategy wants it bare
def test_a_written_time_ends_in_z_and_reads_back(moment):
    """RFC 3339 in UTC, exactly."""
    text = rfc3339(moment)
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == moment
    assert rfc3339(moment.astimezone(tz=None) + timedelta(0)) == text
