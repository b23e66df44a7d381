"""Writes the case vit_patchify_asam: three steps of adaptive SAM, computed with timm and PyTorch in float64.

Needs timm: python tests/golden/make_asam.py
"""

import os

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vit_patchify_asam")
# config.toml has the same.
LR, DECAY, RHO, STEPS, BATCH, CLASSES, SIDE = 1e-3, 0.05, 0.5, 3, 4, 10, 16

torch.manual_seed(11)
model = timm.create_model(
    "vit_tiny_patch16_224", img_size=SIDE, patch_size=4, num_classes=CLASSES, embed_dim=16, depth=1, num_heads=2
)
for parameter in model.parameters():
    torch.nn.init.normal_(parameter, mean=0.0 if parameter.ndim > 1 else 0.5, std=0.2)
weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
images = torch.randn(STEPS, BATCH, 3, SIDE, SIDE)
targets = torch.softmax(torch.randn(STEPS, BATCH, CLASSES), -1)
model = model.double()


def losses(step):
    logits = model(images[step].double())
    return logits, -(targets[step].double() * F.log_softmax(logits, -1)).sum(-1).mean()


def cossim():
    """Mean cosine of two different patch tokens of an image: stem, after the position embedding, each block."""
    layers = [model.patch_embed(images[0].double())]
    layers.append(model._pos_embed(layers[0])[:, 1:])
    value = model._pos_embed(layers[0])
    for block in model.blocks:
        value = block(value)
        layers.append(value[:, 1:])
    means = []
    for layer in layers:
        unit = F.normalize(layer, dim=-1)
        num_tokens = unit.shape[1]
        both = unit @ unit.transpose(1, 2)
        means.append((both.sum((1, 2)) - num_tokens).mean() / (num_tokens * (num_tokens - 1)))
    return torch.stack(means)


def is_decayed(name, parameter):
    return parameter.ndim > 1 and name not in ("cls_token", "pos_embed")


named = list(model.named_parameters())
optimizer = torch.optim.AdamW(
    [
        {"params": [p for name, p in named if is_decayed(name, p)], "weight_decay": DECAY},
        {"params": [p for name, p in named if not is_decayed(name, p)], "weight_decay": 0.0},
    ],
    lr=LR,
)
expected = {}
with torch.no_grad():
    expected["cossim"] = cossim()
    expected["logits_eval"] = losses(0)[0]
column = {"loss": [], "grad_norm": []}
for step in range(STEPS):
    logits, loss = losses(step)
    optimizer.zero_grad()
    loss.backward()
    if step == 0:
        expected["logits"] = logits.detach()
        expected.update({f"grad.{name}": p.grad.clone() for name, p in named})
    column["loss"].append(loss.item())
    column["grad_norm"].append(torch.sqrt(sum((p.grad**2).sum() for _, p in named)).item())
    with torch.no_grad():
        # Kwon et al. 2021: ε = ρ·T²g/‖Tg‖ with T = |p|.
        length = torch.sqrt(sum(((p * p.grad) ** 2).sum() for _, p in named)) + 1e-12
        before = [p.clone() for _, p in named]
        for _, p in named:
            p += RHO * p**2 * p.grad / length
    optimizer.zero_grad()
    losses(step)[1].backward()
    with torch.no_grad():
        for (_, p), kept in zip(named, before):
            p.copy_(kept)
    optimizer.step()
expected.update({f"param.{name}": p.detach() for name, p in named})
expected.update({name: torch.tensor(values) for name, values in column.items()})

print("grad_norm", column["grad_norm"])
save_file(weights, os.path.join(OUT, "weights.safetensors"))
save_file({"images": images, "targets": targets}, os.path.join(OUT, "batch.safetensors"))
save_file({name: value.float().contiguous() for name, value in expected.items()}, os.path.join(OUT, "expected.safetensors"))
