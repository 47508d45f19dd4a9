"""A progress bar keeps quiet in a pipe, and in a notebook that lacks ipywidgets."""

import subprocess
import sys

import pytest

_BAR = """
from ferjax.runtime.progress_bar import tqdm
for _ in tqdm(range(3), disable=None):
    pass
"""
_LINES = """
from ferjax.runtime.progress_bar import tqdm
from ferjax.runtime.progress_lines import say
for _ in tqdm(range(1), disable=None):
    say("shown")
    say("hidden", False)
"""
# What tqdm looks at to see whether it runs in a notebook, here one without ipywidgets.
_NOTEBOOK = """
import sys, types
shell = types.SimpleNamespace(config={"IPKernelApp": {}})
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: shell)
sys.modules["ipykernel.zmqshell"] = types.ModuleType("zmqshell")
sys.modules["ipywidgets"] = None
"""


@pytest.mark.parametrize("place", ["", _NOTEBOOK], ids=["pipe", "notebook"])
def test_a_bar_that_cannot_be_shown_is_quiet(place: str) -> None:
    # Not `-W error`: tqdm would catch that and go on.
    command = [sys.executable, "-W", "always", "-c", place + _BAR]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("place", ["", _NOTEBOOK], ids=["pipe", "notebook"])
def test_a_line_is_shown_in_a_pipe_and_in_a_notebook(place: str) -> None:
    command = [sys.executable, "-W", "always", "-c", place + _LINES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("shown\n", "")
