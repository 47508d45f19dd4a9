"""Every command writes in its own place and the caches alone, and looks nothing up."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import COMMANDS, Command
from processes import DEADLINE, environment, words_of

pytestmark = pytest.mark.faults

# Only this test runs these commands: after a kill they do all their work again.
_RUN_FOLDER = "{inputs}/runs/seed_0"
_OTHERS = {
    "gallery": Command("launch.gallery", ("--out=all.html", "{inputs}/runs"), r"all\.html", 0),
    "matrix": Command(
        "launch.matrix",
        (
            f"--workdir={_RUN_FOLDER}",
            "--data=folder:{inputs}/faces",
            "--progress=false",
            "--out=matrix",
        ),
        "matrix",
        0,
    ),
    "bench": Command(
        "launch.bench",
        ("--suite=ops", "--quick", "--cases=max pool 2x2", "--out=bench"),
        "bench",
        0,
    ),
}
if importlib.util.find_spec("av") and importlib.util.find_spec("cv2"):
    _OTHERS["live"] = Command(
        "launch.live",
        (f"--workdir={_RUN_FOLDER}", "--source={inputs}/clip.mp4", "--out=live.csv"),
        r"live\.csv",
        0,
    )
_ALL = COMMANDS | _OTHERS


@pytest.mark.parametrize("name", _ALL)
def test_only_the_own_place_is_written_and_nothing_is_looked_up(
    name: str, inputs: Path, tmp_path: Path, network_watch: tuple[dict[str, str], Path]
) -> None:
    command, (variables, log) = _ALL[name], network_watch
    here, home, temporary = (tmp_path / part for part in ("here", "home", "temporary"))
    for folder in (here, home, temporary):
        folder.mkdir()
    own = {
        **environment(tmp_path),
        **variables,
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "MPLCONFIGDIR": str(tmp_path / "cache" / "matplotlib"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    before = {path: path.stat().st_mtime_ns for path in inputs.rglob("*")}
    done = subprocess.run(
        [sys.executable, "-m", command.module, *words_of(command, inputs)],
        cwd=here,
        env=own,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not log.exists(), log.read_text()
    assert [path.name for path in here.iterdir() if not re.fullmatch(command.out, path.name)] == []
    # A command that needs no cache makes none.
    places = {path.name for path in tmp_path.iterdir()} - {"cache"}
    assert places == {"here", "home", "temporary"}
    assert [*home.iterdir(), *temporary.iterdir()] == []
    assert {path: path.stat().st_mtime_ns for path in inputs.rglob("*")} == before
