"""Whether more epochs would train nothing, from the files of a finished run."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.training.run_directory.ended_early import cannot_be_lengthened

SHORT: dict[str, Any] = dict(schedule="constant", epochs=6, patience=2)
META: dict[str, Any] = dict(format=2, epoch=5, starts=[0], waited=[2, 0.5])


def finish(run_dir: Path, epochs: Any, reported: int = 5, **meta: Any) -> None:
    """Writes the files of a finished run of which `reported` is the last epoch."""
    config = asdict(TrainConfig(**{**SHORT, "epochs": epochs}))
    results = {"val": {"last": {"epoch": reported}}}
    item = run_dir / "checkpoints" / "20" / "meta"
    item.mkdir(parents=True, exist_ok=True)
    (item / "metadata").write_text(json.dumps(META | meta))
    report = {"config": config, "results": results, "format": 2}
    (run_dir / "report.json").write_text(json.dumps(report))


@pytest.mark.parametrize(
    ("epochs", "longer", "files", "expected"),
    [
        (6, 9, {}, True),
        (6, 6, {}, False),
        (6, 9, {"waited": [1, 0.5]}, False),
        # Its last epoch was the last before patience ended it too.
        (5, 9, {}, True),
        # The report of a lengthening was interrupted.
        (6, 9, {"reported": 4}, False),
        ((4, 6), (4, 9), {"starts": [0, 3]}, True),
        ((4, 6), (4, 9), {"starts": [0, 3], "waited": [0, 0.5]}, False),
        ((4, 6), (4, 9), {}, False),
    ],
)
def test_what_patience_ended_cannot_be_lengthened(
    epochs: Any, longer: Any, files: dict[str, Any], expected: bool, tmp_path: Path
) -> None:
    finish(tmp_path, epochs, **files)
    config = TrainConfig(**{**SHORT, "epochs": longer}, workdir=str(tmp_path))
    assert cannot_be_lengthened(config) == expected


def test_what_is_not_finished_can_be_trained(tmp_path: Path) -> None:
    config = TrainConfig(**{**SHORT, "epochs": 9}, workdir=str(tmp_path))
    assert not cannot_be_lengthened(config)
    finish(tmp_path, 6)
    (tmp_path / "report.json").unlink()
    assert not cannot_be_lengthened(config)
    finish(tmp_path, 6)
    (tmp_path / "checkpoints" / "20" / "meta" / "metadata").write_text("{")
    with pytest.raises(UserError, match=r"metadata.*Copy the run again"):
        cannot_be_lengthened(config)
