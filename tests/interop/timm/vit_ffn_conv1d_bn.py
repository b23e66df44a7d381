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
        self.proj = nn.Conv2d(3, 32, 8, stride=8, padding=0)
        self.bn = nn.BatchNorm2d(32)
        self.act = nn.ReLU()
        self.num_patches = 16

    def forward(self, x):
        return self.act(self.bn(self.proj(x))).flatten(2).transpose(1, 2)


class BatchNormMlp(nn.Module):
    def __init__(self, in_features, hidden_features, **_):
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden_features)
        self.bn = nn.BatchNorm1d(hidden_features)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden_features, in_features)

    def forward(self, x):
        hidden = self.bn(self.fc1(x).transpose(1, 2)).transpose(1, 2)
        return self.fc2(self.act(hidden))


def create_model():
    model = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=32,
        patch_size=8,
        num_classes=10,
        embed_dim=32,
        depth=2,
        num_heads=2,
        mlp_ratio=4.0,
        embed_layer=Stem,
        mlp_layer=BatchNormMlp,
    )
    return model


def load(path):
    model = create_model()
    model.load_state_dict(load_file(path))
    return model
