"""`WEIGHTS`: pretrained weights that experiments need, and in which experiments they are used."""

# Name of `--weights NAME=FILE` → what it is, in words. The file replaces the recipe's `pretrained`.
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
