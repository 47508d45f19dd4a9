"""A command starts itself again with glibc's setting, once, and only where it changes something."""

import os
import subprocess
import sys

import pytest

from launch.command.huge_pages import _glibc, _offered, with_huge_pages

MADVISE = "always [madvise] never\n"


def test_other_settings_stay() -> None:
    found = with_huge_pages({"A": "b", "GLIBC_TUNABLES": "glibc.x=2"}, "glibc 2.36", MADVISE)
    assert found == {"A": "b", "GLIBC_TUNABLES": "glibc.x=2:glibc.malloc.hugetlb=1"}
    assert with_huge_pages({}, "glibc 2.35", MADVISE) == {
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"
    }
    assert with_huge_pages({}, "glibc 3.0", MADVISE) is not None


@pytest.mark.parametrize(
    ("environment", "glibc", "offered"),
    [
        ({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}, "glibc 2.36", MADVISE),
        ({}, "glibc 2.34", MADVISE),
        ({}, "", MADVISE),
        ({}, "glibc 2.36", "[always] madvise never\n"),
        ({}, "glibc 2.36", "always madvise [never]\n"),
        ({}, "glibc 2.36", ""),
    ],
)
def test_nothing_is_changed(environment: dict[str, str], glibc: str, offered: str) -> None:
    assert with_huge_pages(environment, glibc, offered) is None


def test_the_process_starts_again_once_with_its_arguments_and_number() -> None:
    code = (
        "import os, sys\n"
        "from launch.command.huge_pages import use_huge_pages\n"
        "print(os.getpid(), sys.argv[1:], os.environ.get('GLIBC_TUNABLES'))\n"
        "use_huge_pages()\n"
        "print('goes on', sys.stdin.read())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, "-c", code, "--a b"],
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        input="input",
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[-1] == "goes on input"
    starts = [line.split(" ", 1) for line in lines[:-1]]
    again = with_huge_pages(environment, _glibc(), _offered()) is not None
    assert [rest for _, rest in starts] == [
        "['--a b'] None",
        *["['--a b'] glibc.malloc.hugetlb=1"] * again,
    ]
    assert len({number for number, _ in starts}) == 1
