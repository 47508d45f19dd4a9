"""Cuts paths of this machine, which are private, out of what a report or a model card publishes."""

import itertools
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferjax.config.json_file import config_to_json
from ferjax.config.train_config import TrainConfig

# The folders before the last part of a path in an argument.
_PLACE = re.compile(r"(?:(?<=[=:,])|^)[^=:,]*/([^/=:,]+)/?")
# A flag whose value is a pattern on the paths of parameters.
_PATTERN_FLAGS = ("--freeze", "-freeze")
# The folders of an absolute path in a text; a URL has no such path.
_FOLDERS = re.compile(r"(?<![\w./~-])~?/(?=[^\s/])(?:[^\s/:;,'\"]*/)*")


def without_places(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with every path shortened to its last part.

    `--weights=vgg16=/home/a/vgg.onnx` becomes `--weights=vgg16=vgg.onnx`, so that a published
    report shows no path of this machine. URLs and the value of `--freeze` stay as they are.
    """
    return [
        each
        if "://" in each or before in _PATTERN_FLAGS or each.partition("=")[0] in _PATTERN_FLAGS
        else _PLACE.sub(r"\1", each)
        for before, each in itertools.pairwise(["", *arguments])
    ]


def public_config(config: TrainConfig) -> dict[str, Any]:
    """Returns the config of a run as JSON values, with the last parts of paths alone."""
    no_paths = dict.fromkeys(("data_dir", "workdir", "cache_dir"))
    pretrained = config.pretrained and _last_part(config.pretrained)
    teacher = tuple(map(_last_part, config.teacher))
    public = replace(config, pretrained=pretrained, teacher=teacher, **no_paths)
    return json.loads(config_to_json(public))


def public_command(command: object) -> str:
    """Returns a command line with the last parts of paths alone, as `without_places` does.

    Args:
      command: the command line in a report, quoted for a shell.
    """
    try:
        return shlex.join(without_places(shlex.split(str(command))))
    except ValueError:
        return "not recorded"  # it was not written by ferjax


def public_text(text: str, config: TrainConfig) -> str:
    """Returns a text on a run with the last parts of absolute paths and of its networks alone.

    Args:
      text: a note of the run, or a line on the origin of its weights.
      config: the config of the run, which names its initial weights and teachers.
    """
    for name in (config.pretrained or "", *config.teacher):
        # Names of folders may have spaces, so that a path in a text has no certain end.
        for place in (str(Path(name).expanduser().resolve()), name):
            text = text.replace(place, _last_part(name)) if "/" in name else text
    return _FOLDERS.sub("", text)


def _last_part(name: str) -> str:
    """Returns the last part of a path; a URL as it is."""
    return name if "://" in name else Path(name).name or name
