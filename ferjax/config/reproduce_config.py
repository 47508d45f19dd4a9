"""Config (flags) of launch.reproduce."""

from dataclasses import dataclass

from ferjax.config.fields import check_fields, config_field, expand_home
from ferjax.errors import UserError

PAPERS = ("kumari", "iut", "farahani", "yang", "liu")
STUDIES = ("protocols",)


@dataclass(frozen=True)
class ReproduceConfig:
    """Settings of `launch.reproduce`, one flag for each field."""

    paper: str | None = config_field(
        None, "The paper to reproduce, claim by claim.", choices=PAPERS
    )
    study: str | None = config_field(
        None,
        "Instead of a paper: protocols, what each breach of a protocol is worth in points.",
        choices=STUDIES,
    )
    verify: str | None = config_field(
        None,
        "Instead: a report.html, of which every number is computed again from the predictions in"
        " it. Exit status 1 if one differs.",
    )
    data_dir: tuple[str, ...] = config_field(
        (),
        "Folder (or csv file) of the paper's data set; where it has several, a comma list of"
        " NAME:PATH. Default: $FERJAX_DATA/<dataset>, then data/<dataset>.",
    )
    dataset: tuple[str, ...] = config_field(
        (),
        "Another data set in place of the paper's, as a proxy: NAME, or a comma list of"
        " PAPERS:OTHER. Every verdict then says that it is one by proxy.",
    )
    out: str | None = config_field(
        None, "Folder of runs and report. Default: runs/reproduce-<paper>."
    )
    seeds: int = config_field(3, "Runs of each experiment, with seeds from 0 on.", low=1)
    weights: tuple[str, ...] = config_field(
        (),
        "Comma list of NAME=FILE: pretrained weights, such as vgg16=FILE, in any format that"
        " launch.convert reads. Default: what the recipes name is downloaded.",
    )
    only: tuple[str, ...] = config_field(
        (), "Comma list: train only these experiments, or those of these roles, such as paper."
    )
    image_size: int | None = config_field(
        None, "Side of the input in all experiments, where the paper's takes too long.", low=1
    )
    epochs: int | None = config_field(
        None, "Epochs of every phase, where the paper's take too long.", low=1
    )
    limit: int | None = config_field(
        None, "Use this many images of each split, where all take too long.", low=1
    )
    report: bool = config_field(
        False, "Train nothing: write the report from the runs that are finished."
    )
    smoke: bool = config_field(
        False,
        "Needs no data: a few steps on drawn faces in the layouts of the paper's data sets, to"
        " check that everything works.",
    )
    offline: bool = config_field(False, "Download nothing; weights must be in the cache.")
    progress: bool = config_field(True, "Lines of progress; on a terminal also a bar.")

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)
        requested = [name for name in ("paper", "study", "verify") if getattr(self, name)]
        if len(requested) != 1:
            flags = " and ".join(f"--{name}" for name in requested) or "none of them"
            raise UserError(
                f"give one of --paper={'|'.join(PAPERS)}, --study={'|'.join(STUDIES)} and"
                f" --verify=FILE; found {flags}."
            )
        for pair in self.weights:
            if not all(pair.partition("=")[::2]):
                raise UserError(f"--weights={pair}: NAME=FILE is expected, such as vgg16=FILE.")
        if self.smoke and (self.data_dir or self.dataset or self.weights):
            raise UserError("--smoke draws its own faces: leave data and weights out.")
