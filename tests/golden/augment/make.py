"""Reference pictures for tests/augment, from PIL, torchvision and timm on fixed parameters.

    pip install pillow==13.0.0 torchvision==0.29.2 timm==1.0.31 safetensors numpy
    python tests/golden/augment/make.py

writes pictures.safetensors beside this file: bytes [h, w, 3] by name, and in the metadata the parameters and the
versions that made it. The pictures are procedural; no data set is involved.
"""

import json
import pathlib
import random
from unittest import mock

import numpy
import PIL
import timm
import torch
import torchvision
from PIL import Image
from safetensors.numpy import save_file
from timm.data import auto_augment
from timm.data.mixup import Mixup
from timm.data.random_erasing import RandomErasing
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, RandomResizedCrop, Resize
from torchvision.transforms import functional

FILL = (124, 116, 104)
BICUBIC = InterpolationMode.BICUBIC
NAMES = ["AutoContrast", "Equalize", "Invert", "Rotate", "Posterize", "Solarize", "SolarizeAdd", "Color", "Contrast",
         "Brightness", "Sharpness", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel"]
INCREASING = {"Posterize", "Solarize", "Color", "Contrast", "Brightness", "Sharpness"}


def picture(width, height):
    """Gradients, a disc, stripes and noise; the channels have ranges of their own."""
    y, x = numpy.mgrid[0:height, 0:width].astype(float)
    noise = numpy.random.default_rng(7).integers(-12, 13, (height, width, 3))
    disc = (x - 0.6 * width) ** 2 + (y - 0.4 * height) ** 2 < (0.25 * min(width, height)) ** 2
    red = 30 + 180 * x / width + 40 * disc
    green = 20 + 150 * y / height + 60 * (((x + y) // 4) % 2)
    blue = 200 - 90 * x / width - 60 * disc
    return Image.fromarray(numpy.clip(numpy.stack([red, green, blue], -1) + noise, 0, 255).astype(numpy.uint8))


def amount(name, level, negative, increasing):
    key = name + "Increasing" if increasing and name in INCREASING else name
    convert = auto_augment.LEVEL_TO_ARG[key]
    with mock.patch.object(random, "random", lambda: 1.0 if negative else 0.0):
        args = convert(level, {"translate_pct": 0.45}) if convert else ()
    return float(args[0]) if args else 0.0


def distortions(small, arrays):
    amounts = [[name, level, negative, increasing, amount(name, level, negative, increasing)]
               for name in NAMES for level in (0.0, 3.7, 9.0, 10.0) for negative in (False, True) for increasing in (False, True)]
    distorted = []
    for name in NAMES:
        values = {amount(name, level, negative, True) for level, negative in ((9.0, False), (9.0, True), (3.7, False))}
        for ix, value in enumerate(sorted(values)):
            whole = int(value) if name in ("Posterize", "Solarize", "SolarizeAdd") else value
            args = () if name in NAMES[:3] else (whole,)
            out = auto_augment.NAME_TO_OP[name](small, *args, resample=Image.BICUBIC, fillcolor=FILL)
            arrays[f"{name}.{ix}"] = numpy.array(out)
            distorted.append([f"{name}.{ix}", name, value])
    return amounts, distorted


def crops(large, arrays):
    resized = []
    windows = [(0, 0, 61, 83, 16, 16), (7, 11, 40, 53, 32, 32), (5, 60, 9, 12, 24, 24), (20, 30, 32, 32, 32, 32),
               (0, 0, 61, 83, 30, 41), (3, 2, 50, 32, 32, 32)]
    for ix, (top, left, height, width, to_width, to_height) in enumerate(windows):
        out = functional.resized_crop(large, top, left, height, width, [to_height, to_width], BICUBIC)
        arrays[f"resized.{ix}"] = numpy.array(out)
        resized.append([f"resized.{ix}", top, left, height, width, to_width, to_height])
    evaluate = Compose([Resize(int(112 / 0.875), BICUBIC), CenterCrop(112)])
    arrays["evaluated"] = numpy.array(evaluate(large))[::3, ::3].copy()
    fallbacks, sides = [], []
    for width, height in ((100, 30), (30, 100), (64, 48), (50, 50), (83, 61), (333, 500)):
        image = Image.new("RGB", (width, height))
        fallbacks.append([width, height, *RandomResizedCrop.get_params(image, [100.0, 100.0], [0.75, 4 / 3])])
        for area in (0.08, 0.31, 0.7):
            for aspect in (0.8, 1.0, 1.3):
                _, _, high, wide = RandomResizedCrop.get_params(image, [area, area], [aspect, aspect])
                if (area * height * aspect / width) < 1 and (area * width / aspect / height) < 1:  # it fits: no fallback
                    sides.append([width, height, area, aspect, wide, high])
    return resized, fallbacks, sides


def jitter(small, arrays):
    out = functional.adjust_contrast(functional.adjust_saturation(functional.adjust_brightness(small, 1.22), 0.71), 1.27)
    arrays["jittered"] = numpy.array(out)
    return [1.22, 0.71, 1.27]


def erasing():
    """[side, area, aspect] and the [top, left, height, width] that timm erases."""
    boxes = []
    for side in (32, 224):
        for area, aspect in ((0.02, 0.3), (0.1, 1.0), (0.2, 3.3), (0.33, 0.7)):
            drawn = iter((area, float(numpy.log(aspect))))
            image = torch.full((3, side, side), 100.0)
            with mock.patch.object(random, "random", lambda: 0.0), mock.patch.object(random, "randint", lambda _, most: most), \
                    mock.patch.object(random, "uniform", lambda *_: next(drawn)):
                RandomErasing(probability=1.0, mode="pixel", device="cpu")(image)
            rows, columns = numpy.nonzero((image != 100.0).any(0).numpy())
            boxes.append([side, area, aspect, int(rows.min()), int(columns.min()), int(numpy.ptp(rows)) + 1, int(numpy.ptp(columns)) + 1])
    return boxes


def mixed(arrays):
    """A cutmix box of even side: timm 0.3.2, DeiT's, drops the last row of an odd one, and later versions do not."""
    side, classes, labels = 8, 5, torch.tensor([3, 0, 4, 1])
    images = torch.arange(4 * side * side * 3, dtype=torch.float32).reshape(4, side, side, 3) / 768
    cases = []
    for name, lam, cutmix, row, column in (("mixup", 0.3, False, 0, 0), ("cutmix", 0.75, True, 7, 3)):
        mixer = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, label_smoothing=0.1, num_classes=classes)
        centre = iter((row, column))
        x = images.permute(0, 3, 1, 2).clone()
        with mock.patch.object(Mixup, "_params_per_batch", lambda self: (lam, cutmix)), \
                mock.patch("numpy.random.randint", lambda *_, **__: next(centre)):
            x, targets = mixer(x, labels)
        arrays[f"{name}.images"] = x.permute(0, 2, 3, 1).contiguous().numpy()
        arrays[f"{name}.targets"] = targets.float().numpy()
        cases.append([name, lam, row, column])
    return {"side": side, "classes": classes, "labels": labels.tolist(), "cases": cases}


def main():
    small, large = picture(37, 29), picture(83, 61)
    arrays = {"small": numpy.array(small), "large": numpy.array(large)}
    amounts, distorted = distortions(small, arrays)
    resized, fallbacks, sides = crops(large, arrays)
    about = {
        "versions": {"pillow": PIL.__version__, "torchvision": torchvision.__version__, "timm": timm.__version__,
                     "torch": torch.__version__, "numpy": numpy.__version__},
        "fill": FILL, "amounts": amounts, "distorted": distorted, "resized": resized, "fallbacks": fallbacks, "sides": sides,
        "jitter": jitter(small, arrays), "erasing": erasing(), "mixed": mixed(arrays),
    }
    path = pathlib.Path(__file__).with_name("pictures.safetensors")
    save_file({name: numpy.ascontiguousarray(array) for name, array in arrays.items()}, path, {"about": json.dumps(about)})
    print(f"{path}: {path.stat().st_size} bytes, {len(arrays)} arrays")


if __name__ == "__main__":
    main()
