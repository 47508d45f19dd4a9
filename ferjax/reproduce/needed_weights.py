"""`WEIGHTS`: names and descriptions of the pretrained weights that experiments need."""

# NAME of `--weights NAME=FILE` → description of the file, which replaces the recipe's `pretrained`.
WEIGHTS = {
    "resnet18": "ResNet18 trained on ImageNet, in any format that launch.convert reads",
    "resnet50": "ResNet50 trained on ImageNet, in any format that launch.convert reads",
    "vgg16": "VGG16 trained on ImageNet, the trunk is enough, in any format that launch.convert"
    " reads",
    "efficientnet_b0": "EfficientNet-B0 trained on ImageNet, in any format that launch.convert"
    " reads",
    "efficientnet_b1": "EfficientNet-B1 trained on ImageNet, in any format that launch.convert"
    " reads",
}
