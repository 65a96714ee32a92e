"""What single fields of the built-in providers must look like; no message repeats a value."""

from registry.errors import InvalidValue


def visible_ascii(text: str) -> None:
    """Raise ``InvalidValue`` for what no key, id or secret of Zoom contains; their lengths are nowhere documented."""
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise InvalidValue(
            "contains a space or a character outside ASCII", "copy it again, without what stands before and after it"
        )


def client_id(text: str) -> None:
    """Raise ``InvalidValue`` also for a colon, which HTTP Basic authentication (RFC 7617) ends the name with."""
    visible_ascii(text)
    if ":" in text:
        raise InvalidValue("contains a colon", "the client ID ends before it")


def url(text: str) -> None:
    """Raise ``InvalidValue`` unless the text is an ``https`` URL, or an ``http`` one on this machine."""
    from registry.providers._urls import check_url  # noqa: PLC0415  # definitions are read by every command

    check_url(text)
