"""Catalogue of torchvision's ImageNet weights, with timm's tags: tv_in1k, tv2_in1k."""

from ferjax.convert.catalogue.weight_spec import WeightSpec, citation, image_input

_LIBRARY = "TorchVision maintainers and contributors, TorchVision, 2016"
_TAGS = {"V1": "tv_in1k", "V2": "tv2_in1k"}

# (model, version, file, side of the crop, side of the resize before it, interpolation). A file's
# name ends in the first eight digits of its sha256.
_ROWS = (
    ("resnet18", "V1", "resnet18-f37072fd", 224, 256, "bilinear"),
    ("resnet34", "V1", "resnet34-b627a593", 224, 256, "bilinear"),
    ("resnet50", "V1", "resnet50-0676ba61", 224, 256, "bilinear"),
    ("resnet50", "V2", "resnet50-11ad3fa6", 224, 232, "bilinear"),
    ("resnet101", "V1", "resnet101-63fe2227", 224, 256, "bilinear"),
    ("resnet101", "V2", "resnet101-cd907fc2", 224, 232, "bilinear"),
    ("resnet152", "V1", "resnet152-394f9c45", 224, 256, "bilinear"),
    ("resnet152", "V2", "resnet152-f82ba261", 224, 232, "bilinear"),
    ("vgg16", "V1", "vgg16-397923af", 224, 256, "bilinear"),
    ("vgg19", "V1", "vgg19-dcbb9e9d", 224, 256, "bilinear"),
    ("efficientnet_b0", "V1", "efficientnet_b0_rwightman-7f5810bc", 224, 256, "bicubic"),
    ("efficientnet_b1", "V1", "efficientnet_b1_rwightman-bac287d4", 240, 256, "bicubic"),
    ("efficientnet_b1", "V2", "efficientnet_b1-c27df63c", 240, 255, "bilinear"),
    ("efficientnet_b2", "V1", "efficientnet_b2_rwightman-c35c1473", 288, 288, "bicubic"),
)


def _spec(
    model: str, version: str, file: str, crop: int, resize: int, interpolation: str
) -> WeightSpec:
    return WeightSpec(
        name=f"{model}.{_TAGS[version]}",
        model=model,
        kind="torchvision",
        url=f"https://download.pytorch.org/models/{file}.pth",
        hub=None,
        hub_file=None,
        hash=f"sha256:{file.rpartition('-')[2]}",
        with_top=True,
        input=image_input(crop, interpolation),
        crop_pct=crop / resize,
        license="BSD-3-Clause",
        citation=citation(model, _LIBRARY),
        source=(
            "https://docs.pytorch.org/vision/stable/models/generated/"
            f"torchvision.models.{model}.html"
        ),
    )


TORCHVISION: tuple[WeightSpec, ...] = tuple(_spec(*row) for row in _ROWS)
