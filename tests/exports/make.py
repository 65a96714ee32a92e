"""Write the golden exports: ``python -m tests.exports.make``, one line for each golden event in each format.

Whoever reads exports relies on them. Run this for a new kind of event, and look at what it changes: a line that was
there and is another is a broken promise.
"""

from pathlib import Path

from registry.exports.formats import ExportFormat, lines
from tests.exports.records import sampled

FOLDER = Path(__file__).parent / "golden"


def files() -> dict[str, str]:
    """Return the text of each golden file."""
    records = list(sampled().values())
    return {f"history.{form}": "".join(lines(records, form, begins=True)) for form in ExportFormat}


def main() -> None:
    """Write all of them."""
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="")


if __name__ == "__main__":
    main()
