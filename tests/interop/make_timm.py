"""Writes small weights, logits and checkpoints with timm and PyTorch, for the tests of import.

Needs timm: python tests/interop/make_timm.py
"""

import argparse
import os

import timm
import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(7)


def model(image_size=16, num_classes=5):
    made = timm.create_model(
        "vit_tiny_patch16_224", img_size=image_size, patch_size=4, embed_dim=16, depth=2, num_heads=2, num_classes=num_classes
    )
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made.eval()


source = model()
state = {name: tensor.detach().clone() for name, tensor in source.state_dict().items()}
images = torch.randn(1, 4, 3, 16, 16)
with torch.no_grad():
    logits = source(images[0])

# DeiT's way to another resolution (its main.py): 4×4 patches to 6×6 and to 3×3.
expected = {"logits": logits}
for side in (6, 3):
    grid = state["pos_embed"][:, 1:].reshape(1, 4, 4, 16).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, size=(side, side), mode="bicubic", align_corners=False)
    expected[f"pos_embed.{side}"] = torch.cat([state["pos_embed"][:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], 1)

out = os.path.join(HERE, "timm")
save_file(state, os.path.join(out, "weights.safetensors"))
save_file({"images": images, "targets": torch.full((1, 4, 5), 0.2)}, os.path.join(out, "batch.safetensors"))
save_file({name: tensor.contiguous() for name, tensor in expected.items()}, os.path.join(out, "expected.safetensors"))


def pth(name, content):
    torch.save(content, os.path.join(HERE, "pth", name))


optimizer = torch.optim.AdamW(source.parameters())
source(images[0]).sum().backward()
optimizer.step()
pth("deit.pth", {"model": state})
pth("module.pth", {"state_dict": {f"module.backbone.{name}": tensor for name, tensor in state.items()}, "epoch": 3, "best": 0.5})
# As it comes out of a training script; a transposed view, and tensors that share a storage.
turned = dict(state)
turned["head.weight"] = state["head.weight"].t().contiguous().t()
both = torch.cat([state["blocks.0.norm1.weight"], state["blocks.0.norm1.bias"]])
turned["blocks.0.norm1.weight"], turned["blocks.0.norm1.bias"] = both[:16], both[16:]
pth("training.pth", {"model": turned, "optimizer": optimizer.state_dict(), "epoch": 3})
pth("parameters.pth", {name: torch.nn.Parameter(tensor) for name, tensor in state.items()})
half = {name: tensor.half() for name, tensor in state.items()}
half["num_batches_tracked"] = torch.tensor(3)
pth("half.pth", half)
# Refused: code, or what would be code.
pth("namespace.pth", {"model": state["cls_token"], "args": argparse.Namespace(lr=1e-3)})


class Evil:
    def __reduce__(self):
        return (os.system, ("touch /tmp/vitrine-was-here",))


pth("evil.pth", {"model": Evil()})
pth("numbers.pth", {"epoch": 3, "lr": 0.5, "names": ["a", "b"]})
