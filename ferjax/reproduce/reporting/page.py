"""Writes the report as one page: no script, no request, all text escaped, the results inside."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from PIL import Image

import ferjax
from ferjax.errors import UserError
from ferjax.report.html.embedded_pictures import embedded_file
from ferjax.report.html.page_templates import render_page
from ferjax.reproduce.judging.ledger import SMOKE_REASON
from ferjax.reproduce.judging.verdicts import NOT_REPRODUCED, NOT_TESTED, REDRAWN, REPRODUCED
from ferjax.runtime.atomic_files import write_atomically

LARGEST = 5_000_000
_KIND_OF_VERDICT = {REPRODUCED: "yes", NOT_REPRODUCED: "no", NOT_TESTED: "open", REDRAWN: "drawn"}
_CONTENTS = (
    ("summary", "Summary"),
    ("ledger", "The ledger of claims"),
    ("figures", "Figures"),
    ("open", "What the paper leaves open"),
    ("protocols", "Protocols"),
    ("experiments", "Experiments"),
    ("costs", "Costs"),
    ("data", "Data"),
    ("rules", "Verdicts"),
    ("environment", "Environment and commands"),
    ("check", "Check this page"),
)


def render_report(
    report: Mapping[str, Any], pictures: Mapping[str, Sequence[Any]], block: Mapping[str, Any]
) -> str:
    """Returns the page.

    Args:
      report: from `build_report`.
      pictures: figure → its pictures, from `small_pictures`.
      block: the results from which `--verify` computes the page again.
    """
    settings, counts = report["settings"], report["summary"]["counts"]
    total = round(sum(costs["total_minutes"] for costs in report["costs"]), 1)
    return render_page(
        "reproduction.html",
        title=report["title"],
        report=report,
        subtitle=f"Reproduced by ferjax, claim by claim. {settings['written']}",
        smoke=f"{SMOKE_REASON}. Every verdict is open.",
        contents=_CONTENTS,
        verdicts=[(word, kind, counts[word]) for word, kind in _KIND_OF_VERDICT.items()],
        kinds=_KIND_OF_VERDICT,
        pictures=pictures,
        commands=settings["commands"],
        environment=list(settings["environment"].items()),
        total_minutes=total,
        version=ferjax.__version__,
        block=Markup(json_in_page(block)),
    )


def is_too_large(page: str) -> bool:
    """Returns whether a page has more bytes than a report may have."""
    return len(page.encode()) > LARGEST


def check_size(page: str) -> None:
    """Raises `UserError` if a page has more bytes than a report may have."""
    if is_too_large(page):
        raise UserError(
            f"the page would have {len(page.encode()):,} bytes, {LARGEST:,} are the most. Give"
            " fewer --seeds, or fewer experiments (--only) in a new --out."
        )


def json_in_page(block: Mapping[str, Any]) -> str:
    """Returns JSON for a script element; "<" is escaped, because it could end the element."""
    return json.dumps(block, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")


def small_pictures(files: Mapping[str, Sequence[Path]]) -> dict[str, list[dict[str, Any]]]:
    """Returns figure → its pictures as data URIs, with width, height and sha256.

    Their colours are reduced to 48, which are enough for figures and need a quarter of the bytes.
    """
    pictures: dict[str, list[dict[str, Any]]] = {}
    for name, paths in files.items():
        pictures[name] = []
        for path in paths:
            with Image.open(path) as picture:
                small = picture.convert("RGB").quantize(48, dither=Image.Dither.NONE)
            content = io.BytesIO()
            small.save(content, "PNG", optimize=True)
            write_atomically(path, content.getvalue())
            embedded = embedded_file(path.name, path.parent)
            assert embedded
            data, width, height = embedded
            digest = hashlib.sha256(content.getvalue()).hexdigest()
            pictures[name].append(
                {"data": data, "width": width // 2, "height": height // 2, "sha256": digest}
            )
    return pictures
