"""P5: the claims of Liu and the figures that are redrawn."""

from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.paper_table import Figure


def _val(experiment: str, metric: str = "accuracy", emotion: str | None = None) -> Measure:
    """Returns a measure of the last epoch on what the paper calls validation."""
    return Measure(experiment, metric, "val", "last", emotion)


_NETWORKS = {
    "plain": "five-layer network",
    "jumper": "network with the jumper",
    "guided": "network with jumper and VGG16",
}

CLAIMS = (
    Claim(
        name="plain_accuracy",
        kind="at_most",
        text="The plain five-layer network does not learn: validation accuracy stays below 0.5.",
        where="results",
        paper=0.5,
        printed="0.5",
        measure=_val("plain", "curve_best_accuracy"),
    ),
    Claim(
        name="plain_says_happy",
        kind="at_least",
        text="The plain five-layer network calls every face happy.",
        where="results",
        paper=1.0,
        printed="all",
        rounding=0.01,
        measure=_val("plain", "predicted_share", "happiness"),
        other_data=True,
    ),
    Claim(
        name="jumper_better_than_plain",
        kind="better",
        text="With the jumper the network learns: it is more accurate than the plain one.",
        where="results",
        measure=_val("jumper"),
        than=_val("plain"),
    ),
    Claim(
        name="jumper_loss",
        kind="at_least",
        text="With the jumper alone the validation loss is 2.5 or more at the end.",
        where="results",
        paper=2.5,
        printed="2.5",
        measure=_val("jumper", "curve_loss"),
    ),
    Claim(
        name="guided_accuracy",
        kind="at_least",
        text="With jumper and VGG16 the validation accuracy is steady at 0.70 or more.",
        where="results",
        paper=0.70,
        printed="0.70",
        measure=_val("guided", "curve_stable_accuracy"),
        honest=Measure("guided_honest", "accuracy", "test", "selected"),
    ),
    Claim(
        name="guided_loss",
        kind="at_most",
        text="With jumper and VGG16 the validation loss is under 1.6.",
        where="results",
        paper=1.6,
        printed="1.6",
        measure=_val("guided", "curve_loss"),
        honest=_val("guided_honest", "curve_loss"),
    ),
    Claim(
        name="guide_better_than_jumper",
        kind="better",
        text="With VGG16 beside the jumper the network is more accurate than without it.",
        where="results",
        measure=_val("guided"),
        than=_val("jumper"),
    ),
    Claim(
        name="staged_better_than_jumper",
        kind="better",
        text="A staged jumper, from layer 1 to 3 and from 3 to 5, is suggested as the better one.",
        where="outlook",
        measure=_val("staged"),
        than=_val("jumper"),
    ),
    Claim(
        name="double_better_than_jumper",
        kind="better",
        text="Two steps of convolution and pool are suggested instead of the single 32x32 pool.",
        where="outlook",
        measure=_val("double"),
        than=_val("jumper"),
    ),
    *(
        Claim(
            name=f"{kind}_{name}",
            kind="figure",
            text=f"The {words} is shown by {shown}.",
            where="results",
            measure=_val(name),
            figure=f"{kind}_{name}",
        )
        for kind, shown in (
            ("curves", "its accuracy and loss over the epochs"),
            ("emotions", "its accuracy on each emotion over the epochs"),
        )
        for name, words in _NETWORKS.items()
    ),
)

FIGURES = (
    *(
        Figure(
            name=f"curves_{name}",
            kind="curves",
            caption=f"Accuracy and loss of the {words} over the epochs.",
            where="results",
            experiment=name,
        )
        for name, words in _NETWORKS.items()
    ),
    *(
        Figure(
            name=f"emotions_{name}",
            kind="emotions",
            caption=f"Validation accuracy of the {words} on each emotion over the epochs.",
            where="results",
            experiment=name,
        )
        for name, words in _NETWORKS.items()
    ),
)
