"""Catalogue of Keras's ImageNet weights (keras.applications), with and without classifier."""

from ferjax.convert.catalogue.input_specs import CAFFE
from ferjax.convert.catalogue.weight_spec import WeightSpec, citation, image_input
from ferjax.specs import InputSpec

_LIBRARY = "Chollet et al., Keras, 2015"
_STORAGE = "https://storage.googleapis.com"
_OLD = f"{_STORAGE}/tensorflow/keras-applications"

# (model, URL without its suffix, md5 with the classifier, md5 without, input, license).
_ROWS = (
    (
        "vgg16",
        f"{_OLD}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels",
        "64373286793e3c8b2b4e3219cbf3544b",
        "6d6bbae143d832006294945121d1f1fc",
        CAFFE,
        "CC-BY-4.0",
    ),
    (
        "vgg19",
        f"{_OLD}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels",
        "cbe5617147190e668d6c5d5026f83318",
        "253f8cb515780f3b799900260a226db6",
        CAFFE,
        "CC-BY-4.0",
    ),
    (
        "resnet50",
        f"{_OLD}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels",
        "2cb95161c43110f7111970584f804107",
        "4d473c1dd8becc155b73f8504c6f6626",
        CAFFE,
        "MIT",
    ),
    (
        "resnet101",
        f"{_OLD}/resnet/resnet101_weights_tf_dim_ordering_tf_kernels",
        "f1aeb4b969a6efcfb50fad2f0c20cfc5",
        "88cf7a10940856eca736dc7b7e228a21",
        CAFFE,
        "MIT",
    ),
    (
        "resnet152",
        f"{_OLD}/resnet/resnet152_weights_tf_dim_ordering_tf_kernels",
        "100835be76be38e30d865e96f2aaae62",
        "ee4c566cf9a93f14d82f913c2dc6dd0c",
        CAFFE,
        "MIT",
    ),
    (
        "efficientnet_b0",
        f"{_STORAGE}/keras-applications/efficientnetb0",
        "902e53a9f72be733fc0bcb005b3ebbac",
        "50bc09e76180e00e4465e1a485ddc09d",
        image_input(224, "bicubic"),
        "Apache-2.0",
    ),
    (
        "efficientnet_b1",
        f"{_STORAGE}/keras-applications/efficientnetb1",
        "1d254153d4ab51201f1646940f018540",
        "74c4e6b3e1f6a1eea24c589628592432",
        image_input(240, "bicubic"),
        "Apache-2.0",
    ),
    (
        "efficientnet_b2",
        f"{_STORAGE}/keras-applications/efficientnetb2",
        "b15cce36ff4dcbd00b6dd88e7857a6ad",
        "111f8e2ac8aa800a7a99e3239f7bfb39",
        image_input(260, "bicubic"),
        "Apache-2.0",
    ),
)


def _spec(
    model: str, url: str, md5: str, spec: InputSpec, license: str, *, with_top: bool
) -> WeightSpec:
    return WeightSpec(
        name=f"{model}.keras_in1k{'' if with_top else '_notop'}",
        model=model,
        kind="keras",
        url=f"{url}{'' if with_top else '_notop'}.h5",
        hub=None,
        hub_file=None,
        hash=f"md5:{md5}",
        with_top=with_top,
        input=spec,
        crop_pct=0.875,
        license=license,
        citation=citation(model, _LIBRARY),
        source="https://keras.io/api/applications/",
    )


KERAS: tuple[WeightSpec, ...] = tuple(
    _spec(model, url, md5, spec, license, with_top=with_top)
    for model, url, *hashes, spec, license in _ROWS
    for md5, with_top in zip(hashes, (True, False), strict=True)
)
