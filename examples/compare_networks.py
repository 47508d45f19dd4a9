"""Networks of several widths and depths, compared on the votes of FER+ by one search.

    python -m launch.search --import=examples.compare_networks --dataset=ferplus --data_dir=PATH \
        --space='model=fernet_s|fernet_deep|fernet_thin' --sampler=grid --pruner=none --epochs=5

This is how `fernet_s` was compared with its neighbours (docs/recognisers.md). Every network is
trained by the recipe of `fernet-ferplus`.
"""

from functools import partial

import ferjax
from ferjax.models.fernet import FerNet
from ferjax.recipes.papers import RECIPES

# Name → filters of the stem, filters and blocks of the stages.
NETWORKS = {
    "fernet_deep": (48, (64, 128), (1, 3)),
    "fernet_two_blocks": (32, (64, 128), (2, 2)),
    "fernet_wide": (32, (64, 256), (1, 1)),
    "fernet_three_stages": (24, (24, 48, 128), (1, 1, 2)),
    "fernet_thin": (24, (24, 48, 96), (1, 1, 2)),
}

for name, (stem_width, widths, stage_sizes) in NETWORKS.items():
    ferjax.register_model(
        name,
        partial(FerNet, stem_width=stem_width, widths=widths, stage_sizes=stage_sizes),
        image_size=48,
        recipe=RECIPES["best_fernet_s_ferplus"].settings,
    )
