"""Reads a run's TensorBoard files with TensorBoard's own reader and holds them against its run files.

Needs tensorboard: python tests/interop/check_tfevents.py RUN_FOLDER [EVENT_FILE]
With EVENT_FILE (of `vitrine runs export --format tensorboard`) that file is read instead of RUN_FOLDER/tb.
"""

import json
import math
import os
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

run = sys.argv[1]
accumulator = EventAccumulator(sys.argv[2] if len(sys.argv) > 2 else os.path.join(run, "tb"), size_guidance={"scalars": 0})
accumulator.Reload()
tags = accumulator.Tags()


def number(value):
    return float(value.replace("Infinity", "inf")) if isinstance(value, str) else float(value)


def same(ours, theirs):
    ours = struct.unpack("f", struct.pack("f", ours))[0]
    return ours == theirs or (math.isnan(ours) and math.isnan(theirs))


steps, evals = {}, {}
with open(os.path.join(run, "metrics.jsonl")) as file:
    for line in map(json.loads, file):
        if line["kind"] == "step":
            steps[line["step"]] = line
        elif line["kind"] == "eval":
            evals[line["step"]] = line
for family, lines, columns in [("train", steps, ["loss", "lr", "grad_norm"]), ("eval", evals, ["loss", "top1", "top5"])]:
    for column in columns:
        scalars = accumulator.Scalars(f"{family}/{column}") if lines else []
        assert [scalar.step for scalar in scalars] == sorted(lines), (family, column, len(scalars), len(lines))
        for scalar in scalars:
            assert same(number(lines[scalar.step][column]), scalar.value), (family, column, scalar)
num_nan = sum(not math.isfinite(scalar.value) for scalar in accumulator.Scalars("train/loss"))

start = accumulator.summary_metadata[metadata.SESSION_START_INFO_TAG]
settings = metadata.parse_session_start_info_plugin_data(start.plugin_data.content).hparams
assert settings["optim.lr"].number_value > 0, settings
end = accumulator.summary_metadata.get(metadata.SESSION_END_INFO_TAG)
status = metadata.parse_session_end_info_plugin_data(end.plugin_data.content).status if end else None
with open(os.path.join(run, "run.json")) as file:
    verdict = json.load(file)["verdict"]
assert end is None or status == (2 if verdict in ("crashed", "stuck") else 1), (status, verdict)

for tag in tags["images"]:
    image = accumulator.Images(tag)[-1]
    assert image.encoded_image_string[:8] == b"\x89PNG\r\n\x1a\n", tag
for tag in tags["histograms"]:
    histogram = accumulator.Histograms(tag)[-1].histogram_value
    assert sum(histogram.bucket) == histogram.num, tag
print(f"{len(steps)} steps ({num_nan} losses not finite), {len(evals)} evaluations, {len(tags['scalars'])} series, "
      f"{len(tags['histograms'])} histograms, {len(tags['images'])} images, {len(settings)} settings, "
      f"status {status}, verdict {verdict}: equal")
