"""On a terminal: questions, hidden secrets, confirmations, Ctrl-C, tables; with a real terminal each time."""

import json
import re

import pytest

from tests.cli.conftest import KEY, NEW_SECRET, SECRET
from tests.cli.harness import typed

CTRL_C, CTRL_D = "\x03", "\x04"
ADD = (
    ("Description (empty for none): ", "by hand\n"),
    ("API Key: ", f"{KEY}\n"),
    ("API Secret: ", f"{SECRET}\n"),
)
QUESTIONS = ("Description (empty for none): ", "API Key: ", "API Secret: ", "API URL [", "Test the connection")
REPLIES = ("\n", f"{KEY}\n", f"{SECRET}\n", "\n", "\n")


def url(zoom):
    """Return the answer that leads to the stand-in."""
    return ("API URL [https://api.zoom.us/v2]: ", f"{zoom.api_url}\n")


def test_add_asks_in_the_order_of_the_screen(cli, zoom):
    """Without --field, add asks for everything, secrets unseen, and stores what the provider accepts."""
    ran = typed(
        cli.home, "add", "Zoom", answers=(*ADD, url(zoom), ("Test the connection before storing it? [Y/n] ", "\n"))
    )
    assert ran.code == 0
    assert "the provider says: accepted\nadded Zoom (revision 1)\n" in ran.out
    assert KEY not in ran.out
    assert SECRET not in ran.out
    shown = json.loads(cli.ok("show", "Zoom", "--format", "json"))
    assert (shown["description"], shown["last_test"]["outcome"]) == ("by hand", "accepted")
    assert cli.ok("reveal", "Zoom", "--field", "api_secret") == f"{SECRET}\n"


def test_add_offers_another_try(cli, zoom):
    """Credentials that the provider refuses can be entered again; nothing is stored meanwhile."""
    wrong = (*ADD[:2], ("API Secret: ", f"{NEW_SECRET}\n"), url(zoom), ("Test the connection", "y\n"))
    right = (*ADD[1:], url(zoom), ("Test the connection", "y\n"))
    ran = typed(cli.home, "add", "Zoom", answers=(*wrong, ("Enter the credentials again? [Y/n] ", "\n"), *right))
    assert ran.code == 0
    assert "rejected" in ran.out
    assert len(json.loads(cli.ok("history", "Zoom", "--format", "json"))) == 2


def test_add_gives_up_with_the_providers_code(cli, zoom):
    """Whoever enters nothing else ends with the code of the refusal, and nothing is stored."""
    wrong = (*ADD[:2], ("API Secret: ", f"{NEW_SECRET}\n"), url(zoom), ("Test the connection", "y\n"))
    ran = typed(cli.home, "add", "Zoom", answers=(*wrong, ("again?", "n\n")))
    assert ran.code == 8
    assert cli.ok("list", "--format", "json") == "[]\n"


def test_add_refuses_a_name_before_it_asks(token):
    """A name that is taken or wrong is refused before anybody types in credentials."""
    assert typed(token.home, "add", "zoom").code == 4
    assert typed(token.home, "add", "a/b").code == 2
    assert typed(token.home, "add", "New", "--app", "Nowhere").code == 3


def test_add_asks_about_encryption_where_there_is_a_choice(cli):
    """The box Encrypt is there only where the registry allows plaintext, and is ticked."""
    cli.ok("policy", "set", "allow-plaintext", "yes")
    more = (("API URL", "\n"), ("Encrypt? [Y/n] ", "n\n"), ("Test the connection", "n\n"))
    assert typed(cli.home, "add", "Zoom", answers=(*ADD, *more)).code == 0
    assert not json.loads(cli.ok("show", "Zoom", "--format", "json"))["encrypted"]


def test_required_answers_are_asked_for_again(cli):
    """What cannot be left out is asked for until it is there."""
    answers = (ADD[0], ("API Key: ", "\n"), *ADD[1:], ("API URL", "\n"), ("Test the connection", "n\n"))
    assert typed(cli.home, "add", "Zoom", answers=answers).code == 0


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D], ids=["Ctrl-C", "Ctrl-D"])
@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_aborting_add_at_any_question(cli, number, key):
    """Ctrl-C and Ctrl-D at any question end the command with one line and 130, and change nothing."""
    before = cli.ok("history", "--format", "json")
    answers = tuple(zip(QUESTIONS, (*REPLIES[:number], key), strict=False))
    ran = typed(cli.home, "add", "Zoom", answers=answers)
    assert ran.code == 130
    assert ran.out.endswith("\naborted; nothing was changed\n")
    assert "Traceback" not in ran.out
    assert cli.ok("history", "--format", "json") == before


@pytest.mark.parametrize("answer", ["n\n", "\n", "what\nno\n", CTRL_C, CTRL_D], ids=["no", "enter", "odd", "^C", "^D"])
@pytest.mark.parametrize("words", [("remove", "Zoom"), ("app", "remove", "HR")], ids=" ".join)
def test_destroying_asks(token, words, answer):
    """What destroys asks first; anything but yes changes nothing and ends with 130."""
    token.ok("app", "add", "HR", "--kind", "process")
    ran = typed(token.home, *words, answers=(("[y/N] ", answer),))
    assert (ran.code, ran.out.endswith("aborted; nothing was changed\n")) == (130, True)
    token.ok("show", "Zoom")
    assert len(json.loads(token.ok("app", "list", "--format", "json"))) == 1


def test_destroying_after_yes(token, secrets):
    """After a yes, what was listed is gone."""
    token.ok("app", "add", "HR", "--kind", "process")
    token.ok("add", "Pay", "--app", "HR", *secrets)
    ran = typed(token.home, "app", "remove", "HR", answers=(("destroy its tokens (1)? [y/N] ", "y\n"),))
    assert ran.code == 0
    assert "will be destroyed: Pay\n" in ran.out
    assert typed(token.home, "remove", "Zoom", answers=(("for ever? [y/N] ", "YES\n"),)).code == 0
    assert token.ok("list", "--format", "json") == "[]\n"


def test_a_secret_typed_for_standard_input_is_unseen(token):
    """``-`` on a terminal asks for the value, unseen."""
    ran = typed(token.home, "edit", "Zoom", "--field", "api_secret=-", answers=(("API Secret: ", f"{NEW_SECRET}\n"),))
    assert ran.code == 0
    assert NEW_SECRET not in ran.out
    assert token.ok("reveal", "Zoom", "--field", "api_secret") == f"{NEW_SECRET}\n"


def test_a_description_typed(token):
    """A description from standard input may have several lines."""
    ran = typed(
        token.home, "edit", "Zoom", "--description", "-", answers=(("(end with Ctrl-D):", f"one\ntwo\n{CTRL_D}"),)
    )
    assert ran.code == 0
    assert json.loads(token.ok("show", "Zoom", "--format", "json"))["description"] == "one\ntwo"


def test_tables_on_a_terminal(token):
    """On a terminal there are tables; colour and bold are gone under NO_COLOR and on a dumb terminal."""
    token.ok("edit", "Zoom", "--description", "[red]not markup[/] :smile: \u202e")
    shown = typed(token.home, "show", "Zoom").out
    assert "\x1b[1m" in shown
    assert "[red]not markup[/] :smile: \\u202e" in shown
    plain = typed(token.home, "list", NO_COLOR="1").out
    assert "Zoom" in plain
    assert "\x1b" not in plain
    assert "\x1b" not in typed(token.home, "history", TERM="dumb").out


def test_json_on_a_terminal_is_json(token):
    """A document is the same wherever it goes."""
    assert json.loads(typed(token.home, "show", "Zoom", "--format", "json").out)["name"] == "Zoom"


def test_no_question_where_nobody_answers(token):
    """Off a terminal nothing is asked, so nothing hangs."""
    for words in (["add", "New"], ["remove", "Zoom"], ["identity", "passphrase"]):
        ran = token(*words)
        assert (ran.code, re.search(r"\[y/N\]|: $", ran.err)) == (2, None)


def test_a_pipe_and_a_passphrase(token):
    """A value comes through a pipe while the passphrase is typed on the terminal that the process belongs to."""
    phrase = "a pass phrase"
    new = (("New passphrase: ", f"{phrase}\n"), ("The same again: ", f"{phrase}\n"))
    assert typed(token.home, "identity", "passphrase", answers=new).code == 0
    (token.home / "secret").write_text(f"{NEW_SECRET}\n", encoding="utf-8")
    asked = (("Passphrase of the identity: ", f"{phrase}\n"),)
    ran = typed(token.home, "edit", "Zoom", "--field", "api_secret=-", answers=asked, redirected="secret")
    assert (ran.code, phrase in ran.out) == (0, False)
    assert "changed Zoom (revision 2)" in ran.out
