"""Loads our exports with timm and holds timm's logits against the golden ones of PyTorch in float64.

Needs timm: python tests/interop/check_timm.py [target/release/vitrine]
With the binary, `vitrine export --format timm` is run for each case; without it the committed Python is used.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "golden")
LIMIT = 1e-4

for case in ["vit_patchify", "vit_conv_full", "vit_conv_strides2222", "vit_ffn_conv1d_bn"]:
    folder = os.path.join(GOLDEN, case)
    with tempfile.TemporaryDirectory() as out:
        python, weights = os.path.join(HERE, "timm", case + ".py"), os.path.join(folder, "weights.safetensors")
        if len(sys.argv) > 1:
            config = os.path.join(folder, "config.toml")
            goal = os.path.join(out, "vit.safetensors")
            command = [sys.argv[1], "export", "--format", "timm", "--config", config, "--weights", weights, "--out", goal]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            with open(os.path.join(out, "vit.py")) as ours, open(python) as committed:
                assert ours.read() == committed.read(), f"{case}: the committed Python is older than the export"
            python, weights = os.path.join(out, "vit.py"), goal
        spec = importlib.util.spec_from_file_location(case, python)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        model = module.create_model()
        state = load_file(weights)
        if len(sys.argv) == 1:
            # The golden weights have a Conv1d's third side, which the export takes off.
            state = {name: tensor[..., 0] if tensor.ndim == 3 and tensor.shape[0] > 1 else tensor for name, tensor in state.items()}
        model.load_state_dict(state)
        images = load_file(os.path.join(folder, "batch.safetensors"))["images"][0]
        with torch.no_grad():
            logits = model.eval()(images)
    expected = load_file(os.path.join(folder, "expected.safetensors"))["logits_eval"]
    worst = (logits - expected).abs().max().item()
    print(f"{case}: {len(state)} arrays, logits within {worst:.1e} of PyTorch's (largest {expected.abs().max():.2f})")
    assert worst <= LIMIT, worst
