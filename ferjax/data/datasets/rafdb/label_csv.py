"""Reads the label csv files of RAF-DB (train_labels.csv, test_labels.csv): image name, label."""

from pathlib import Path

from ferjax.data.datasets.rafdb.official_lists import BY_NUMBER, NUMBERED
from ferjax.data.reading.csv_rows import csv_records
from ferjax.data.reading.spreadsheet_cells import whole_number
from ferjax.emotions import canonical_name
from ferjax.errors import UserError

# Spelling of a class → its name, or its number if numbers start at 0 (then counts identify it).
ONE_BASED = {f"{zeros}{k}": name for k, name in BY_NUMBER.items() for zeros in ("", "0")}
ZERO_BASED = {f"{zeros}{k}": str(k) for k in range(len(NUMBERED)) for zeros in ("", "0")}
BY_NAME = {name: name for name in NUMBERED}


def read_labels_csv(path: Path) -> dict[str, str]:
    """Reads one file. A first row without a label is a header; further columns are ignored.

    Returns:
      Image name → class name, or → number "0" to "6" if any row has 0.

    Raises:
      UserError: a broken row, or an image that is listed twice.
    """
    allowed = {*BY_NAME, *ONE_BASED, *ZERO_BASED}
    rows: dict[str, tuple[str, str]] = {}
    for number, (location, fields) in enumerate(csv_records(path, first_row=0)):
        image = Path(fields[0].strip().replace("\\", "/")).name
        label = canonical_name(fields[1]) if len(fields) > 1 else ""
        if (value := whole_number(label)) is not None:  # 3.0 and 03 too
            label = str(value)
        if number == 0 and label not in allowed:
            continue
        if not image or label not in allowed:
            raise UserError(
                f"{location}: {', '.join(fields)[:60]!r}, expected an image name and a label from "
                "1 to 7 (or 0 to 6, or an emotion); download the file again"
            )
        if image in rows:
            raise UserError(f"{location}: {image} is listed twice; remove one of the rows")
        rows[image] = label, location
    has_zero = any(ZERO_BASED.get(label) == "0" for label, _ in rows.values())
    name_of = {**BY_NAME, **(ZERO_BASED if has_zero else ONE_BASED)}
    for label, location in rows.values():
        if label not in name_of:
            raise UserError(f"{location}: label {label}, but other rows have 0: expected 0 to 6")
    return {image: name_of[label] for image, (label, _) in rows.items()}
