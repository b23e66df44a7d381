"""Writes the event files of tests/interop/tfevents with PyTorch's own writer.

Needs torch and tensorboard: python tests/interop/make_tfevents.py
"""

import glob
import os
import shutil
import tempfile

import numpy
from torch.utils.tensorboard import SummaryWriter

HERE = os.path.dirname(os.path.abspath(__file__))
LOSSES = [2.25, 2.125, 2.0, float("nan"), float("inf")]


def write(name, new_style):
    with tempfile.TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            for step, loss in enumerate(LOSSES):
                writer.add_scalar("Loss/train", loss, step, new_style=new_style)
                writer.add_scalar("lr", 1e-3, step, new_style=new_style)
            writer.add_scalar("Accuracy/val", 50.0, 2, new_style=new_style)
            writer.add_scalar("Accuracy/val", 75.0, 4, new_style=new_style)
            writer.add_histogram("weights", numpy.arange(8.0), 4)
            writer.add_text("notes", "not a number", 4)
            writer.add_image("picture", numpy.zeros((3, 2, 2), dtype=numpy.uint8), 4)
        (found,) = glob.glob(os.path.join(folder, "events.out.tfevents.*"))
        shutil.copy(found, os.path.join(HERE, "tfevents", name + ".bin"))


write("pytorch", False)
write("pytorch_new_style", True)
