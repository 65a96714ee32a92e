"""The demonstration: the whole story, quickly, touching nothing."""

import tempfile

from tests.cli.harness import process


def test_the_story_is_told(tmp_path):
    """It runs every step, ends with a summary and 0, and leaves nothing, whatever the environment says."""
    before = set(tmp_path.iterdir())
    ran = process(
        tmp_path,
        "demo",
        TOKEN_REGISTRY_HOME="/nonexistent",
        TOKEN_REGISTRY_URL="postgresql://nowhere/at-all",
        TOKEN_REGISTRY_FORMAT="nonsense",
        TOKEN_REGISTRY_IDENTITY="/nonexistent",
        TMPDIR=str(tmp_path),
        HTTP_PROXY="http://127.0.0.1:9",
    )
    assert (ran.code, ran.err) == (0, "")
    for step in ("init", "app add", "add", "show", "test", "edit", "list", "reveal", "history", "remove", "app remove"):
        assert f"$ token-registry {step}" in ran.out
    assert "(exit code 8)" in ran.out
    assert "found 0 times" in ran.out
    assert ran.out.splitlines()[-1].startswith("That was the whole story")
    assert set(tmp_path.iterdir()) == before


def test_a_broken_story_is_no_success(empty, monkeypatch, tmp_path):
    """Where a step does not end as it should, the demonstration fails and still leaves nothing."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("registry.testing.zoom_stand_in.ZoomStandIn.change_credentials", lambda *_: None)
    ran = empty("demo")
    assert ran.code != 0
    assert "error: this step was to end with the exit code 0" in ran.err
    assert [path for path in tmp_path.iterdir() if path.name.startswith("token-registry-")] == []
