"""predictions_<split>.csv read back: what was written, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ferjax.data.splits.split import Split
from ferjax.errors import UserError
from ferjax.evaluation.comparison.read_predictions import in_order, pooled, read_predictions
from ferjax.evaluation.predictions_csv import write_predictions_csv
from ferjax.training.metrics import evaluation

HEAD = "file,label,predicted,anger,fear\n"


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (50, 3))
    logits[7] = [1, 1, 0]  # equal: the first is predicted
    logits[8] = [0, 1, 1 + 1e-9]  # equal after rounding: the second is not
    result = evaluation(logits, np.arange(50) % 3)
    ids = tuple(f'a "quoted", name {k}' for k in range(50))
    split = Split("val", result.labels.astype(np.int32), ids, (1, 1, 1), lambda rows: rows)
    classes = ("anger", "fear", "neutral")
    path = tmp_path / write_predictions_csv(result, split, classes, tmp_path)
    found = read_predictions(path)
    assert (found.ids, found.classes) == (ids, classes)
    np.testing.assert_array_equal(found.labels, result.labels)
    np.testing.assert_array_equal(found.predicted, result.predicted)
    np.testing.assert_allclose(found.probabilities, result.probabilities, atol=2e-6)
    assert found.scores()["accuracy"] == pytest.approx(result.accuracy)


def test_images_and_classes_are_put_in_order(
    drawn_run: Callable[..., Path], tmp_path: Path
) -> None:
    plain = read_predictions(drawn_run(tmp_path / "a") / "predictions_val.csv")
    turned = drawn_run(tmp_path / "b", classes=("neutral", "anger", "happiness", "fear"))
    other = read_predictions(turned / "predictions_val.csv")
    assert other.scores() == pytest.approx(plain.scores())
    back = in_order(other, plain.ids[::-1], plain.classes)
    np.testing.assert_array_equal(back.labels, plain.labels[::-1])
    np.testing.assert_allclose(back.probabilities, plain.probabilities[::-1], atol=1e-12)


def test_folds_are_pooled(drawn_run: Callable[..., Path], tmp_path: Path) -> None:
    parts = [
        read_predictions(
            drawn_run(tmp_path / f"{k}", first=100 * k, count=100) / "predictions_val.csv"
        )
        for k in range(2)
    ]
    found = pooled(parts, tmp_path)
    assert len(set(found.ids)) == 200
    whole = sum(part.scores()["accuracy"] or 0 for part in parts) / 2
    assert found.scores()["accuracy"] == pytest.approx(whole)
    with pytest.raises(UserError, match="two folds"):
        pooled([parts[0], parts[0]], tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a readable table"),
        ("path,label\n1,2\n", "columns path, label"),
        (HEAD, "no rows"),
        (f"{HEAD}1.png,anger,joy,0.5,0.5\n", "'joy' is no class"),
        (f"{HEAD}1.png,anger,anger,0.5\n", "not complete|different lengths|no class"),
        (f"{HEAD}1.png,anger,anger,0.5,x\n", "is no class"),
        (f"{HEAD}1.png,anger,anger,0.4,0.6\n", "1.png is not predicted as its most probable"),
        (f"{HEAD}1.png,anger,fear,nan,nan\n", "a probability is none"),
        (f"{HEAD}1.png,anger,fear,0,1\n1.png,fear,fear,0,1\n", "1 images are there twice"),
    ],
)
def test_other_tables_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "predictions_val.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as raised:
        read_predictions(path)
    assert str(path) in str(raised.value)
