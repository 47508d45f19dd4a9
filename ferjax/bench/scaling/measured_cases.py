"""Suite `scaling`: what is measured on this machine, counted, and predicted for larger ones."""

import dataclasses

from ferjax.bench.scaling.devices_and_workload import Layout, Scaling, Workload

ONE = Layout(1, 1)
_DEVICES = (ONE, Layout(1, 2), Layout(1, 4))
_ALL = (*_DEVICES, Layout(2, 1), Layout(2, 2))

_CNN3 = Workload("cnn3", 48, 1, 128, "adamw")
_RESNET18 = Workload("resnet18", 64, 3, 32, "sgd")
# At 224 px its dense layer alone is 45 million weights, which a CPU takes long to compile for.
_AWEI = Workload("awei", 64, 3, 32, "adam", jumper="input")

MEASURED = (
    Scaling(_CNN3, weak=False, layouts=_ALL),
    Scaling(dataclasses.replace(_CNN3, batch_size=32), weak=True, layouts=_DEVICES),
    Scaling(_RESNET18, weak=False, layouts=_ALL),
)
QUICK_MEASURED = (Scaling(_CNN3, weak=False, layouts=(*_DEVICES, Layout(2, 1))),)

# Counted as they are, and with a share of the state on each device.
COUNTED = (_CNN3, _RESNET18, _AWEI)
QUICK_COUNTED = COUNTED[:1]
COUNTED_ON = Layout(1, 4)

# Each network with the data set of its paper's recipe; those of no paper with the largest.
PREDICTED = {
    "awei": "rafdb",
    "base_cnn": "sfew",
    "cnn3": "fer2013",
    "cnn4": "fer2013",
    "cnn5": "fer2013",
    "cnn6": "fer2013",
    "efficientnet_b0": "fer2013",
    "efficientnet_b1": "fer2013",
    "efficientnet_b2": "fer2013",
    "resnet18": "sfew",
    "resnet34": "fer2013",
    "resnet50": "fer2013",
    "resnet101": "fer2013",
    "resnet152": "fer2013",
    "vgg16": "fer2013",
    "vgg19": "fer2013",
}
# Of the five papers; tracing the others takes a minute.
PAPERS = (
    "awei",
    "base_cnn",
    "cnn3",
    "cnn6",
    "efficientnet_b1",
    "resnet18",
    "resnet50",
    "vgg16",
)
