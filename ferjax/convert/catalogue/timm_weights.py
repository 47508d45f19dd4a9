"""Catalogue of weights on the Hugging Face hub: timm, and Microsoft's ResNets (transformers)."""

from ferjax.convert.catalogue.input_specs import IMAGENET_MEAN, IMAGENET_STD
from ferjax.convert.catalogue.weight_spec import WeightSpec, citation, image_input

_TIMM = "Wightman, PyTorch Image Models, 2019"
_TRANSFORMERS = "Wolf et al., Transformers, EMNLP 2020"
_APACHE, _NON_COMMERCIAL = "Apache-2.0", "CC-BY-NC-4.0"
_DEPTHS = (18, 34, 50, 101, 152)

# timm's ResNets (tag, depths, side, crop share, interpolation, license). Weights that timm copied
# from torchvision are in torchvision_weights.py.
_RESNETS = (
    ("a1_in1k", _DEPTHS, 224, 0.95, "bicubic", _APACHE),
    ("a1h_in1k", (50,), 176, 0.9, "bicubic", _APACHE),
    ("a1h_in1k", (101, 152), 224, 0.95, "bicubic", _APACHE),
    ("a2_in1k", _DEPTHS, 224, 0.95, "bicubic", _APACHE),
    ("a3_in1k", _DEPTHS, 160, 0.95, "bicubic", _APACHE),
    ("am_in1k", (50,), 224, 0.875, "bicubic", _APACHE),
    ("b1k_in1k", (50,), 224, 0.95, "bicubic", _APACHE),
    ("b2k_in1k", (50,), 224, 0.95, "bicubic", _APACHE),
    ("bt_in1k", (34, 50), 224, 0.875, "bicubic", _APACHE),
    ("c1_in1k", (50,), 224, 0.95, "bicubic", _APACHE),
    ("c2_in1k", (50,), 224, 0.95, "bicubic", _APACHE),
    ("d_in1k", (50,), 224, 0.95, "bicubic", _APACHE),
    ("fb_ssl_yfcc100m_ft_in1k", (18, 50), 224, 0.875, "bilinear", _NON_COMMERCIAL),
    ("fb_swsl_ig1b_ft_in1k", (18, 50), 224, 0.875, "bilinear", _NON_COMMERCIAL),
    ("gluon_in1k", _DEPTHS, 224, 0.875, "bicubic", _APACHE),
    ("ra4_e3600_r224_in1k", (34,), 224, 0.9, "bicubic", _APACHE),
    ("ra_in1k", (50,), 224, 0.875, "bicubic", _APACHE),
    ("ram_in1k", (50,), 224, 0.875, "bicubic", _APACHE),
)
# timm's EfficientNets (repository, side, crop share); all bicubic and Apache-2.0. `tf_`: weights
# from TensorFlow, for a network with TensorFlow's padding.
_EFFICIENTNETS = (
    ("efficientnet_b0.ra4_e3600_r224_in1k", 224, 0.9),
    ("efficientnet_b0.ra_in1k", 224, 0.875),
    ("efficientnet_b1.ft_in1k", 224, 0.875),
    ("efficientnet_b1.ra4_e3600_r240_in1k", 240, 0.9),
    ("efficientnet_b2.ra_in1k", 256, 0.875),
    *((f"tf_efficientnet_b0.{tag}in1k", 224, 0.875) for tag in ("", "aa_", "ap_", "ns_jft_")),
    *((f"tf_efficientnet_b1.{tag}in1k", 240, 0.882) for tag in ("", "aa_", "ap_", "ns_jft_")),
    *((f"tf_efficientnet_b2.{tag}in1k", 260, 0.89) for tag in ("", "aa_", "ap_", "ns_jft_")),
)
# Tags of weights that were trained with inputs in [-1, 1], not with ImageNet's mean and std.
_UNIT_RANGE_TAGS = ("ra4_", "ap_")


def _timm(
    repository: str,
    size: int,
    crop_pct: float,
    interpolation: str = "bicubic",
    license: str = _APACHE,
) -> WeightSpec:
    arch, _, tag = repository.partition(".")
    model = arch.removeprefix("tf_")
    ported = arch != model
    unit_range = tag.startswith(_UNIT_RANGE_TAGS)
    mean, std = ((0.5,) * 3,) * 2 if unit_range else (IMAGENET_MEAN, IMAGENET_STD)
    return WeightSpec(
        name=f"{model}.{'tf_' * ported}{tag}",
        model=model,
        kind="timm_tf" if ported else "timm",
        url=None,
        hub=f"timm/{repository}",
        hub_file="model.safetensors",
        hash=None,
        with_top=True,
        input=image_input(size, interpolation, mean, std),
        crop_pct=crop_pct,
        license=license,
        citation=citation(model, _TIMM),
        source=f"https://huggingface.co/timm/{repository}",
    )


def _microsoft(depth: int) -> WeightSpec:
    hub = f"microsoft/resnet-{depth}"
    return WeightSpec(
        name=f"resnet{depth}.ms_in1k",
        model=f"resnet{depth}",
        kind="transformers",
        url=None,
        hub=hub,
        hub_file="model.safetensors",
        hash=None,
        with_top=True,
        input=image_input(224, "bicubic"),
        crop_pct=0.875,
        license=_APACHE,
        citation=citation("resnet", _TRANSFORMERS),
        source=f"https://huggingface.co/{hub}",
    )


TIMM: tuple[WeightSpec, ...] = (
    *(
        _timm(f"resnet{depth}.{tag}", size, crop_pct, interpolation, license)
        for tag, depths, size, crop_pct, interpolation, license in _RESNETS
        for depth in depths
    ),
    *(_timm(*row) for row in _EFFICIENTNETS),
)
MICROSOFT: tuple[WeightSpec, ...] = tuple(_microsoft(depth) for depth in _DEPTHS)
