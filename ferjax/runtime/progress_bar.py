"""The progress bar: a line on a terminal, a widget in a notebook, nothing if the output is piped.

`disable=None` leaves that choice to the bar, `disable=True` shows none anywhere.
"""

import warnings

from tqdm import TqdmWarning

with warnings.catch_warnings():
    # The warning says that a notebook lacks ipywidgets; it then has no bar, and the work continues.
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm.auto import tqdm

__all__ = ["tqdm"]
