"""An editor that ends badly: what was written in it is not lost."""

import re
from pathlib import Path

import click
import pytest

from node.cli import editing
from node.cli.editing import Page


@pytest.mark.parametrize(("code", "saves"), [(0, True), (1, True), (0, False), (1, False)])
def test_what_an_editor_wrote_is_kept_also_where_it_ends_with_an_error(
    code: int, saves: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    editor = tmp_path / "editor"
    write = 'printf \'title = "Attack"\\n\' > "$1"' if saves else "true"
    editor.write_text(f"#!/bin/sh\n{write}\nexit {code}\n")
    editor.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    page = Page('title = ""\n')
    if code:
        with pytest.raises(click.ClickException, match="Editing failed"), editing.kept(page, "again FILE"):
            editing.opened(page)
    else:
        assert editing.opened(page) is saves
    assert page.saved == ('title = "Attack"\n' if saves else "")
    told = re.search(r"What you wrote is in (\S+); `again (\S+)`", capsys.readouterr().err)
    left = list(tmp_path.glob("*.toml"))
    assert bool(told) is (saves and bool(code))
    assert left == ([Path(told[1])] if told else [])
    assert all((one.read_text(), one.stat().st_mode & 0o777) == (page.saved, 0o600) for one in left)
