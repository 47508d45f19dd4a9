"""Sections of `audit.md`: counts, pixels, duplicates, label conflicts, unreadable, warnings."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ferjax.report.pages import run_sections
from ferjax.report.pages.markdown_tables import bold, decimal, escape, key_value_table, table

# The most lines of a list; audit.json holds all of them.
_MAX_LISTED = 40


def document(
    audit: Mapping[str, Any], classes: Sequence[str], figures: Mapping[str, str]
) -> Iterator[str]:
    """Yields the sections of the whole page.

    Args:
      audit: from `ferjax.data.audit.audit_dataset.audit`, as JSON types.
      classes: the class list.
      figures: file → caption.
    """
    images = sum(facts["images"] for facts in audit["splits"].values())
    yield from run_sections.heading(
        {
            "title": f"Audit of {audit['dataset']}",
            "summary": f"{images:,} images in {len(classes)} classes; {audit['layout']}.",
            "warnings": findings(audit),
        }
    )
    yield from _counts(audit, classes)
    yield from _pixels(audit)
    yield from _duplicates(audit)
    yield from _mirrored(audit)
    yield from _conflicts(audit)
    yield from _unreadable(audit)
    yield from run_sections.figures(
        [{"file": file, "caption": caption} for file, caption in figures.items()]
    )
    if audit["obtain"]:
        yield f"## Where to get {escape(audit['dataset'])}\n\n{escape(audit['obtain'])}"


def findings(audit: Mapping[str, Any]) -> list[str]:
    """Returns warnings about the data set, one sentence each; none if it has no problem."""
    warnings = list(audit["notes"])
    broken = len(_broken(audit))
    if broken:
        warnings.append(f"{_count(broken, 'image')} cannot be read")
    for name, facts in audit["splits"].items():
        empty = [key for key, count in facts["counts"].items() if not count]
        if empty:
            warnings.append(f"{name} has no image of {', '.join(empty)}")
        if facts["plain"]:
            verb = "shows" if len(facts["plain"]) == 1 else "show"
            blank = _count(len(facts["plain"]), "image")
            warnings.append(f"{blank} of {name} {verb} one grey level")
    exact, near = audit["duplicates"], audit["near_duplicates"]
    for exact_pair, near_pair in zip(exact["across"], near["across"], strict=True):
        if near_pair["groups"]:
            share = near_pair["b_images"] / audit["splits"][exact_pair["b"]]["images"]
            copies = _count(exact_pair["b_images"], "image")
            warnings.append(
                f"in both {exact_pair['a']} and {exact_pair['b']}: {copies} of {exact_pair['b']}"
                f" with equal pixels, {near_pair['b_images']:,} ({100 * share:.1f} %) including"
                " near duplicates"
            )
    for pair in audit["mirrored"]["across"]:
        if pair["groups"]:
            images, verb = pair["b_images"], "is" if pair["b_images"] == 1 else "are"
            copies = _count(images, "image")
            warnings.append(f"{copies} of {pair['b']} {verb} in {pair['a']} as a mirror image")
    conflicts = sum(len({m["label"] for m in group}) > 1 for group in near["groups"])
    if conflicts:
        groups = _count(conflicts, "group")
        warnings.append(f"labels differ within {groups} of exact or near duplicates")
    return warnings


def _counts(audit: Mapping[str, Any], classes: Sequence[str]) -> Iterator[str]:
    yield "## Images of each class"
    splits = audit["splits"]
    rows = [[escape(key), *(f"{f['counts'][key]:,}" for f in splits.values())] for key in classes]
    rows.append(bold(["all", *(f"{facts['images']:,}" for facts in splits.values())]))
    yield table(
        ["class", *(f"{escape(n)} ({escape(f['source'])})" for n, f in splits.items())], rows
    )
    for row in audit["published"]:
        counts, published = row["found"], row["published"]
        gaps = [f"{k} {counts.get(k, 0) - published[k]:+,}" for k in published]
        gaps = [gap for gap in gaps if not gap.endswith("+0")]
        result = f"differ from the published ones by {', '.join(gaps)}" if gaps else "as published"
        yield f"Counts of {escape(row['name'])} ({' + '.join(row['splits'])}): {result}."


def _pixels(audit: Mapping[str, Any]) -> Iterator[str]:
    yield "## Pixels"
    header = ["split", "read as", "without colour", "mean", "standard deviation"]
    rows = []
    for name, facts in audit["splits"].items():
        height, width, channels = facts["shape"]
        shape = f"{height}×{width} {'grey' if channels == 1 else 'RGB'}"
        read = facts["images"] - len(facts["unreadable"])
        grey = f"{facts['grey']:,} of {read:,}"
        rows.append(
            [escape(name), shape, grey, *map(_channels, (facts["mean"], facts["deviation"]))]
        )
    yield table(header, rows, numbers_from=2)
    yield "Mean and standard deviation of each channel over all pixels, in [0, 1]."
    if (files := audit["files"]) is not None:
        sizes = [f"{size} ({count:,})" for size, count in files["sizes"].items()]
        more = [f"and {len(sizes) - 8:,} other sizes"] if len(sizes) > 8 else []
        kinds = [f"{suffix} ({count:,})" for suffix, count in files["suffixes"].items()]
        census = {
            "image files": f"{files['files']:,}",
            "formats": ", ".join(kinds),
            "grey, colour": f"{files['grey']:,}, {files['colour']:,}",
            "sizes (height x width)": ", ".join(sizes[:8] + more),
        }
        yield key_value_table(census, ("on disk", "count"))


def _duplicates(audit: Mapping[str, Any]) -> Iterator[str]:
    yield "## Duplicates"
    near = audit["near_duplicates"]
    yield (
        "Exact: equal pixels. Near: nearly equal images (64-bit DCT hashes at most "
        f"{near['distance']} bits apart and a correlation of {near['correlation']:g} or more at "
        "16×16 pixels); exact duplicates are included."
    )
    yield _copies({"exact": audit["duplicates"], "near": near})


def _mirrored(audit: Mapping[str, Any]) -> Iterator[str]:
    facts = audit["mirrored"]
    if facts["groups"]:
        yield "## Mirrored duplicates"
        yield (
            "One image is nearly equal to the mirror image of another by the same measure, and not "
            "nearly equal to the other image itself. Copies that are not mirrored count above."
        )
        yield _copies({"mirrored": facts})


def _copies(kinds: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns a table of each kind of copies, within each split and across each pair of splits."""
    header = ["", "kind", "groups", "images in them", "labels differ"]
    rows, first_kind = [], next(iter(kinds.values()))
    for name in first_kind["within"]:
        for kind, facts in kinds.items():
            cell = facts["within"][name]
            numbers = (cell[key] for key in ("groups", "images", "conflicts"))
            rows.append([f"within {escape(name)}", kind, *(f"{n:,}" for n in numbers)])
    for number, pair in enumerate(first_kind["across"]):
        for kind, facts in kinds.items():
            cell = facts["across"][number]
            images = f"{cell['a_images']:,} + {cell['b_images']:,}"
            pair_name = f"{escape(pair['a'])} and {escape(pair['b'])}"
            rows.append([pair_name, kind, f"{cell['groups']:,}", images, f"{cell['conflicts']:,}"])
    return table(header, rows, numbers_from=2)


def _conflicts(audit: Mapping[str, Any]) -> Iterator[str]:
    groups = [g for g in audit["near_duplicates"]["groups"] if len({m["label"] for m in g}) > 1]
    if groups:
        yield "## Duplicates with different labels"
        lines = [
            "- " + "; ".join(escape(f"{m['id']} ({m['split']}): {m['label']}") for m in group)
            for group in groups[:_MAX_LISTED]
        ]
        if len(groups) > _MAX_LISTED:
            lines.append(f"- and {len(groups) - _MAX_LISTED:,} more in `audit.json`")
        yield "\n".join(lines)


def _unreadable(audit: Mapping[str, Any]) -> Iterator[str]:
    if broken := _broken(audit):
        yield "## Images that cannot be read"
        lines = [f"- {escape(reason)}" for reason in broken[:_MAX_LISTED]]
        if len(broken) > _MAX_LISTED:
            lines.append(f"- and {len(broken) - _MAX_LISTED:,} more in `audit.json`")
        yield "\n".join(lines)


def _broken(audit: Mapping[str, Any]) -> list[str]:
    """Returns the reasons why images are unreadable, one for each file."""
    items = [item for facts in audit["splits"].values() for item in facts["unreadable"]]
    items += audit["files"]["unreadable"] if audit["files"] else []
    return list(dict.fromkeys(item["reason"] for item in items))


def _channels(values: Sequence[float] | None) -> str:
    return "–" if values is None else ", ".join(decimal(value) for value in values)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
