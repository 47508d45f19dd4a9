"""The locks and the page of licences fit pyproject.toml (written by `.ci/supply_chain`)."""

import functools
import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / ".ci" / "supply_chain"
RELOCK = "run .ci/supply_chain/lock, then .ci/supply_chain/licences"
ROW = re.compile(r"^\| ([\w.-]+) \| ([\w., ]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


@functools.cache
def read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text("utf-8"))


def declared() -> list[tuple[str, Requirement]]:
    """Returns (extra or "", requirement) of every line in pyproject.toml."""
    project = read_toml("pyproject.toml")["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return [(extra, Requirement(line)) for extra, lines in groups.items() for line in lines]


def locked() -> dict[str, list[dict[str, Any]]]:
    """Returns name → its entries in uv.lock, one for each version."""
    found: dict[str, list[dict[str, Any]]] = {}
    for package in read_toml("uv.lock")["package"]:
        found.setdefault(package["name"], []).append(package)
    return found


def rows_of(page: str) -> dict[str, list[str]]:
    """Returns package → [versions, licence, comes with] of the tables of licences."""
    return {name: rest for name, *rest in ROW.findall(page) if name != "package"}


def licences_script() -> Any:
    spec = importlib.util.spec_from_file_location("licences", SCRIPTS / "licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_uv_lock_was_made_from_this_pyproject() -> None:
    (ferjax,) = locked()["ferjax"]
    in_lock = set()
    for need in ferjax["metadata"]["requires-dist"]:
        extra = re.search(r"extra == '([\w-]+)'", need.get("marker", ""))
        line = Requirement(f"{need['name']}{need.get('specifier', '')}")
        extras = frozenset(need.get("extras", ()))
        in_lock.add((extra[1] if extra else "", line.name, extras, line.specifier))
    in_pyproject = {
        (extra, canonicalize_name(need.name), frozenset(need.extras), need.specifier)
        for extra, need in declared()
    }
    assert in_lock == in_pyproject, RELOCK


def test_locked_versions_lie_in_the_declared_ranges() -> None:
    packages = locked()
    for extra, need in declared():
        for package in packages[canonicalize_name(need.name)]:
            if need.name != "ferjax":
                assert need.specifier.contains(package["version"]), (extra, str(need), RELOCK)


def test_every_locked_file_is_from_the_index_and_has_a_hash() -> None:
    packages = [p for p in read_toml("uv.lock")["package"] if p["name"] != "ferjax"]
    for package in packages:
        assert package["source"] == {"registry": "https://pypi.org/simple"}
        files = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
        assert files, package["name"]
        for file in files:
            assert file["url"].startswith("https://files.pythonhosted.org/packages/")
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"])


def test_pylock_is_a_part_of_uv_lock() -> None:
    packages = locked()
    for package in read_toml("pylock.toml")["packages"]:
        same = [p for p in packages[package["name"]] if p["version"] == package["version"]]
        assert len(same) == 1, RELOCK
        hashes = {f"sha256:{wheel['hashes']['sha256']}" for wheel in package["wheels"]}
        assert hashes == {wheel["hash"] for wheel in same[0]["wheels"]}


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_pylock_holds_one_wheel_of_each_core_dependency(python: str) -> None:
    """The oracle is `packaging`, which chooses what an installer installs on that machine."""
    pylock = pytest.importorskip("packaging.pylock").Pylock.from_dict(read_toml("pylock.toml"))
    if not hasattr(pylock, "select"):
        pytest.skip("needs packaging 26.1")
    from packaging.markers import default_environment
    from packaging.tags import compatible_tags, cpython_tags

    version = tuple(map(int, python.split(".")))
    places = [f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)]
    places += ["manylinux2014_x86_64", "linux_x86_64"]
    environment = {
        **default_environment(),
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
    }
    tags = [*cpython_tags(version, platforms=places)]
    tags += compatible_tags(version, f"cp{python.replace('.', '')}", places)
    chosen = [*pylock.select(environment=environment, tags=tags)]
    names = [package.name for package, _ in chosen]
    assert len(set(names)) == len(names)
    assert {canonicalize_name(need.name) for extra, need in declared() if not extra} <= {*names}
    assert {type(file).__name__ for _, file in chosen} == {"PackageWheel"}


def test_every_dependency_has_a_licence_and_its_extras() -> None:
    rows = rows_of((ROOT / "docs" / "licences.md").read_text("utf-8"))
    for extra, need in declared():
        if need.name == "ferjax":
            continue
        _, _, comes_with = rows[canonicalize_name(need.name)]
        assert comes_with == "always" or (extra and f"`{extra}`" in comes_with.split(", ")), need
    assert [name for name, (_, licence, _) in rows.items() if licence == "not stated"] == []
    packages = locked()
    del packages["ferjax"]  # whose own version is in no lock
    versions = {name: {p["version"] for p in group} for name, group in packages.items()}
    assert {name: {*row[0].split(", ")} for name, row in rows.items()} == versions, RELOCK


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"license_expression": "MIT AND PSF-2.0", "license": "other"}, "MIT AND PSF-2.0"),
        ({"license": "Apache 2.0"}, "Apache-2.0"),
        ({"license": "MIT License\n\nCopyright (c) somebody, " + "who " * 99}, "MIT"),
        ({"license": "UNKNOWN", "classifier": ["License :: OSI Approved :: MIT License"]}, "MIT"),
        ({"license": "Copyright " * 99, "classifier": ["Topic :: Science"]}, "not stated"),
        ({"license": " " * 9, "classifier": ["License :: Other/Proprietary License"]}, None),
        ({}, "not stated"),
    ],
)
def test_a_licence_is_read_off_the_metadata(metadata: dict[str, Any], expected: str | None) -> None:
    assert licences_script().licence(metadata) == (expected or "Other/Proprietary License")


def test_a_licence_that_was_looked_up_by_hand_is_that_of_the_page() -> None:
    page = (ROOT / "docs" / "licences.md").read_text("utf-8")
    for name, (licence, place) in licences_script().CHECKED_BY_HAND.items():
        assert rows_of(page)[name][1] == licence
        assert f"- {name}: {licence}; {place}.\n" in page


def test_many_names_of_one_beginning_are_counted() -> None:
    many = [f"nvidia-{number}" for number in range(11)]
    listed = licences_script().listed
    assert listed(many) == "nvidia-* (11 packages)"
    assert listed(["cuda-toolkit", *many]) == "cuda-toolkit, nvidia-* (11 packages)"
    assert listed(many[:2]) == "nvidia-0, nvidia-1"


def test_an_extra_brings_what_its_packages_need() -> None:
    def entry(name: str, needs: list[dict[str, Any]], **others: Any) -> dict[str, Any]:
        return {"name": name, "version": "1", "dependencies": needs, **others}

    lock = {
        "package": [
            entry("ferjax", [{"name": "a"}], **{"optional-dependencies": {"x": [{"name": "b"}]}}),
            entry("a", []),
            # A circle, and an extra of a package: only that extra needs d.
            entry("b", [{"name": "c", "extra": ["more"]}]),
            entry("c", [{"name": "b"}], **{"optional-dependencies": {"more": [{"name": "d"}]}}),
            entry("d", [{"name": "a"}]),
        ]
    }
    metadata = [{"name": name, "license": "MIT"} for name in ("A", "b", "c", "d")]
    report = {"install": [{"metadata": stated} for stated in metadata]}
    rows = rows_of(licences_script().page(lock, report))
    assert {name: row[-1] for name, row in rows.items()} == {
        "a": "always",
        "b": "`x`",
        "c": "`x`",
        "d": "`x`",
    }
