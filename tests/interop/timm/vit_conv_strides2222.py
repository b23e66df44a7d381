"""Builds the model for timm. Written by `vitrine export --format timm`.

    model = load("weights.safetensors").eval()
    logits = model(images)  # [B, 3, H, W], normalised as in training
"""

import timm
from safetensors.torch import load_file
from torch import nn


class Stem(nn.Module):
    def __init__(self, **_):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(3, 16, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
        )
        self.proj = nn.Conv2d(16, 32, 8, stride=2, padding=3)
        self.num_patches = 9

    def forward(self, x):
        return self.proj(self.conv(x)).flatten(2).transpose(1, 2)


def create_model():
    model = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=48,
        patch_size=16,
        num_classes=10,
        embed_dim=32,
        depth=2,
        num_heads=2,
        mlp_ratio=4.0,
        embed_layer=Stem,
    )
    return model


def load(path):
    model = create_model()
    model.load_state_dict(load_file(path))
    return model
