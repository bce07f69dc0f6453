"""What tools leave in a checkout is never taken for a part of it."""

import shutil
import subprocess
from pathlib import Path

import pytest

GIT = shutil.which("git")
IGNORED = Path(__file__).parents[1] / ".gitignore"


@pytest.mark.skipif(GIT is None, reason="there is no git, whose rules these are")
@pytest.mark.parametrize("left", [".venv", ".venv/pyvenv.cfg", ".tox/a", ".pytest-kind/a/record.json", "reports/out/a"])
def test_what_tools_leave_is_ignored(left, tmp_path):
    """A virtual environment is ignored as a directory and as the file that a current tox writes."""
    shutil.copy(IGNORED, tmp_path)
    (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / left).touch()
    subprocess.run([str(GIT), "init", "--quiet"], cwd=tmp_path, check=True)
    status = [str(GIT), "status", "--porcelain", "--untracked-files=all"]
    seen = subprocess.run(status, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert seen.split() == ["??", ".gitignore"]
