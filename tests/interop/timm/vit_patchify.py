"""Builds the model for timm. Written by `vitrine export --format timm`.

    model = load("weights.safetensors").eval()
    logits = model(images)  # [B, 3, H, W], normalised as in training
"""

import timm
from safetensors.torch import load_file


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
    )
    return model


def load(path):
    model = create_model()
    model.load_state_dict(load_file(path))
    return model
