"""docs/licences.md: every package of uv.lock, its licence, and the extras of ferjax that bring it.

The script `licences` beside this file runs it with pip's installation report, which holds what each
package states about its licence, and writes standard output to the page.
"""

import argparse
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# The names in SPDX's list of what packages state in words.
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "2-clause BSD": "BSD-2-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "NVIDIA Proprietary Software": "LicenseRef-NVIDIA-Proprietary",
    "OSI Approved :: Apache Software License": "Apache-2.0",
}
# Package whose metadata state no licence → the licence that was looked up by hand, and where.
CHECKED_BY_HAND = {
    "cuda-toolkit": (
        "LicenseRef-NVIDIA-End-User-License-Agreement",
        "the wheel holds no software and no licence, and only names NVIDIA's packages; NVIDIA's"
        " conda package of this name states this licence (anaconda.org/nvidia/cuda-toolkit)",
    ),
    "namex": ("Apache-2.0", "`dist-info/licenses/LICENSE` in the wheel of 0.1.0"),
}
LONGEST_NAME = 60  # letters; a longer field holds the text of a licence
# Part of a licence's name → how the page calls the packages that have it.
REMARKABLE = {
    "GPL": "Under a GNU licence",
    "MPL": "Under the Mozilla Public License, wholly or in part",
    "NVIDIA": "Under NVIDIA's own terms, of the extra `cuda12` and, on Linux, of torch",
    "not stated": "Without a licence in their metadata, and not looked up yet",
}
PAGE = """\
# Licences of the dependencies

ferjax is under Apache-2.0. The licences of the networks that come with it stand in
[their cards](recognisers.md). This page lists every package of `uv.lock`, that is, of every extra,
every system and every Python, with the licence that the package's own metadata states. Where they
state none, it was looked up by hand.

{remarkable}

Looked up by hand:

{by_hand}

Wheels also hold compiled libraries under other licences, of which the files in their
`.dist-info/licenses/` tell. One of them concerns whoever passes on an image of the Dockerfile:
the wheel of av holds FFmpeg (LGPL) together with x264 and x265 (GPL).

Made by `.ci/supply_chain/licences`; a test compares it with pyproject.toml and uv.lock.

## Declared in pyproject.toml

{declared}

## What these bring along

{indirect}
"""


def normalised(name: str) -> str:
    """Returns a package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence(metadata: dict[str, Any]) -> str:
    """Returns the SPDX expression (PEP 639), else the field License, else the classifiers."""
    text = metadata.get("license", "").strip()
    first_line = " ".join(text.partition("\n")[0].split())
    classifiers = [
        classifier.rpartition(" :: ")[2]
        for classifier in metadata.get("classifier", [])
        if classifier.startswith("License ::")
    ]
    if stated := metadata.get("license_expression"):
        return stated
    if text and text != "UNKNOWN" and len(text) <= LONGEST_NAME:
        return SPDX.get(first_line, first_line)
    if classifiers:
        return " and ".join(SPDX.get(classifier, classifier) for classifier in classifiers)
    return SPDX.get(first_line, "not stated")


def brought(
    packages: dict[str, list[dict[str, Any]]], needs: list[dict[str, Any]]
) -> Iterator[str]:
    """Yields the names that a list of dependencies of uv.lock brings, over any number of steps."""
    seen = set()
    while needs:
        need = needs[0]
        needs = needs[1:]
        for extra in ["", *need.get("extra", [])]:
            if (need["name"], extra) in seen:
                continue
            seen.add((need["name"], extra))
            yield need["name"]
            for package in packages[need["name"]]:
                optional = package.get("optional-dependencies", {})
                needs = [*needs, *(optional[extra] if extra else package.get("dependencies", []))]


def listed(names: list[str]) -> str:
    """Returns names in words; of many whose first word is the same, that word and their number."""
    beginnings = [name.partition("-")[0] for name in names]
    most = max(beginnings, key=beginnings.count)
    if (count := beginnings.count(most)) <= 10:
        return ", ".join(names)
    others = [name for name in names if name.partition("-")[0] != most]
    return ", ".join([*others, f"{most}-* ({count} packages)"])


def page(lock: dict[str, Any], report: dict[str, Any]) -> str:
    """Returns the page as Markdown.

    Args:
      lock: uv.lock.
      report: pip's installation report of the same packages.
    """
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in lock["package"]:
        packages.setdefault(package["name"], []).append(package)
    (ferjax,) = packages.pop("ferjax")
    stated = {
        normalised(item["metadata"]["name"]): licence(item["metadata"])
        for item in report["install"]
    }
    by_hand = {
        name: checked
        for name, checked in CHECKED_BY_HAND.items()
        if stated.get(name) == "not stated"
    }
    stated |= {name: found for name, (found, _) in by_hand.items()}
    groups = {"": ferjax["dependencies"], **ferjax["optional-dependencies"]}
    comes_with: dict[str, list[str]] = {}
    for extra, needs in groups.items():
        for name in sorted(set(brought(packages, needs))):
            comes_with.setdefault(name, []).append(f"`{extra}`" if extra else "always")
    direct = {need["name"] for needs in groups.values() for need in needs}
    rows = {
        name: f"| {name} | {', '.join(sorted(p['version'] for p in packages[name]))} "
        f"| {stated[name]} | {'always' if 'always' in extras else ', '.join(extras)} |"
        for name, extras in sorted(comes_with.items())
    }
    head = "| package | locked version | licence | comes with |\n|---|---|---|---|\n"
    remarkable = {
        words: [name for name in rows if part in stated[name]] for part, words in REMARKABLE.items()
    }
    return PAGE.format(
        remarkable="\n".join(
            f"- {words}: {listed(names)}." for words, names in remarkable.items() if names
        ),
        by_hand="\n".join(
            f"- {name}: {found}; {place}." for name, (found, place) in by_hand.items()
        ),
        declared=head + "\n".join(row for name, row in rows.items() if name in direct),
        indirect=head + "\n".join(row for name, row in rows.items() if name not in direct),
    )


def main() -> None:
    """Prints the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, help="of pip install --dry-run --report=FILE")
    given = parser.parse_args()
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    print(page(lock, json.loads(given.report.read_text("utf-8"))), end="")


if __name__ == "__main__":
    main()
