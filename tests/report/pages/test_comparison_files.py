"""The page of a comparison: names that are markup, many runs, and values that are missing."""

from pathlib import Path
from typing import Any

from ferjax.report.headline import HEADLINE
from ferjax.report.pages.comparison_files import write_comparison

NAMES = ["a|b", "<script>alert(1)</script>", "*c*", "d", "e"]


def run(name: str, seeds: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "name": name,
        "folder": f"runs/{name}",
        "title": f"cnn3 {name}",
        "seeds": list(seeds),
        "scores": dict.fromkeys(HEADLINE, 0.5) | {"roc_auc": None},
        "intervals": {} if seeds else {key: [0.4, 0.6] for key in HEADLINE} | {"roc_auc": None},
        "deviation": dict.fromkeys(HEADLINE, 0.0125 if seeds else None),
        "recall": {"anger": 0.25, "fe|ar": None},
        "support": {"anger": 4, "fe|ar": 0},
    }


def outcome(p: float, holm: float) -> dict[str, Any]:
    return {"difference": 0.0123, "low": -0.004, "high": 0.0287, "p": p, "holm": holm}


REPORT = {
    "title": "5 runs compared on fer|plus val, 4 images",
    "summary": "highest accuracy: a|b",
    "warnings": ["<b>bold</b>: smoke"],
    "runs": [run(name) for name in NAMES[:4]] + [run("e", ("seed_0", "seed_1"))],
    "pairs": [
        {
            "first": NAMES[0],
            "second": NAMES[1],
            "accuracy": outcome(0.00001, 0.04),
            "macro_f1": outcome(0.0625, 0.125),
            "mcnemar": {"only_first": 9, "only_second": 4, "p": 0.00001},
            "over_seeds": None,
        },
        {
            "first": "d",
            "second": "e",
            "accuracy": outcome(0.5, 1.0),
            "macro_f1": outcome(0.0002, 0.0004),
            "over_seeds": {**outcome(0.01, 0.02)},
        },
    ],
    "settings": {"loss": ["a|b", None, True, [1, 2], []]},
    "notes": [],
    "figures": [],
}


def test_the_page_of_a_comparison(tmp_path: Path) -> None:
    page = write_comparison(REPORT, tmp_path).read_text("utf-8")
    lines = page.splitlines()
    # Four runs a table.
    assert r"| score | a\|b | &lt;script>alert(1)&lt;/script> | \*c\* | d |" in lines
    assert "| score | e |" in lines
    assert "| accuracy | 50.00 % ± 1.25 |" in lines
    assert "| Cohen's kappa | 0.5000 ± 0.0125 |" in lines
    assert "| ROC AUC, macro | – | – | – | – |" in lines
    first = next(line for line in lines if "9 and 4" in line)
    assert "**+1.23 (-0.40 to +2.87)** | **9 and 4** | **< 0.0001** | **0.0400** |" in first
    assert "| d | e | +1.23 (-0.40 to +2.87) | – | 0.5000 | 1.0000 |" in lines
    assert "| **d** | **e** | **+1.23 (-0.40 to +2.87)** | **0.0002** | **0.0004** |" in lines
    assert "| d | e | +1.23 (-0.40 to +2.87) | 0.0100 | 0.0200 |" in lines
    assert r"| fe\|ar | – | – | – | – | 0 |" in lines
    assert r"| loss | a\|b | – | True | 1, 2 |" in lines
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "<script" not in html
    assert "<b>bold" not in html
    assert "&lt;script" in html
