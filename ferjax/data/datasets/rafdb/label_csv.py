"""RAF-DB's labels as csv files: train_labels.csv and its like, column 1 image, column 2 label."""

from pathlib import Path

from ferjax.data.datasets.rafdb.official_lists import BY_NUMBER, NUMBERED
from ferjax.data.reading.csv_rows import csv_records
from ferjax.emotions import canonical_name
from ferjax.errors import UserError

# Spellings of a class → its name, or its number where numbers start at 0 and the counts must tell.
ONE_BASED = {f"{zeros}{k}": name for k, name in BY_NUMBER.items() for zeros in ("", "0")}
ZERO_BASED = {f"{zeros}{k}": str(k) for k in range(len(NUMBERED)) for zeros in ("", "0")}
BY_NAME = {name: name for name in NUMBERED}


def labels_csv(path: Path) -> dict[str, str]:
    """Reads one file; a first row that holds no label is a header, columns after two are extras.

    Returns:
      Image name → class name, or → number "0" to "6" where a row has 0.

    Raises:
      UserError: a bad row, or an image that is listed twice.
    """
    known = {*BY_NAME, *ONE_BASED, *ZERO_BASED}
    rows: dict[str, tuple[str, str]] = {}
    for number, (place, fields) in enumerate(csv_records(path, first_row=0)):
        image = Path(fields[0].strip()).name
        label = canonical_name(fields[1]) if len(fields) > 1 else ""
        if number == 0 and label not in known:
            continue
        if not image or label not in known:
            raise UserError(
                f"{place}: {', '.join(fields)[:60]!r}, expected an image name and a label from 1 "
                "to 7 (or 0 to 6, or an emotion); download the file again"
            )
        if image in rows:
            raise UserError(f"{place}: {image} is listed twice; remove one of the rows")
        rows[image] = label, place
    zero = any(ZERO_BASED.get(label) == "0" for label, _ in rows.values())
    named = {**BY_NAME, **(ZERO_BASED if zero else ONE_BASED)}
    for label, place in rows.values():
        if label not in named:
            raise UserError(f"{place}: label {label}, but other rows have 0: expected 0 to 6")
    return {image: named[label] for image, (label, _) in rows.items()}
