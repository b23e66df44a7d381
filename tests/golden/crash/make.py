"""Recorded curves for tests/run_store/calibration.rs: 48 runs whose settings go over the edge of stability.

    pip install safetensors numpy
    vitrine sweep tests/golden/crash/calibration.toml --device cpu --runs-dir curves
    python tests/golden/crash/make.py curves/sweep-calibration

writes curves.safetensors beside this file: the loss, gradient norm and share of the most frequent class of every step
[runs, steps], the last top-1 [runs], and in the metadata what each run was. The runs go on after a crash, so that the end
of a curve says whether it came back.
"""

import json
import pathlib
import sys
import tomllib

import numpy
from safetensors.numpy import save_file


def number(value):
    """Run files write numbers that are not finite as text."""
    return float(value)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


curves = {"loss": [], "grad_norm": [], "modal_frac": []}
top1 = []
about = []
for folder in sorted(pathlib.Path(sys.argv[1]).glob("*/")):
    config = tomllib.loads((folder / "config.toml").read_text())
    run = json.loads((folder / "run.json").read_text())
    metrics = lines(folder / "metrics.jsonl")
    steps = [line for line in metrics if line["kind"] == "step"]
    for name, rows in curves.items():
        rows.append([number(step[name]) for step in steps])
    top1.append([number(line["top1"]) for line in metrics if line["kind"] == "eval"][-1])
    about.append({
        "stem": config["model"]["stem"],
        "lr": config["optim"]["lr"],
        "warmup_epochs": config["schedule"]["warmup_epochs"],
        "seed": run["seed"],
        "verdict": run["verdict"],
    })

tensors = {name: numpy.array(rows, dtype=numpy.float32) for name, rows in curves.items()}
tensors["top1"] = numpy.array(top1, dtype=numpy.float32)
metadata = {"about": json.dumps({"runs": about, "version": run["versions"]["vitrine"]})}
save_file(tensors, pathlib.Path(__file__).with_name("curves.safetensors"), metadata)
