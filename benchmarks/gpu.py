"""Step time and peak memory of the UCF51 recipe on a GPU: precisions and memory layouts, baseline and AMID.

python benchmarks/gpu.py [--methods baseline,amid] [--steps 30] [--compile] [--device cpu --tiny]

Inputs are made up, in the recipe's shapes, and on the device already: 16 clips of 16 frames of 112 x 112 and 16 sounds
of ten seconds. A step is the library's own (`training.loop.step`) after every warm-up, with what a run has frozen by
then and with its deterministic kernels. Medians, each step waited for, after 5 that are not counted. Cnn14 is frozen at
random weights, which cost the same as its own. A run as it comes is "tf32 in convolutions", PyTorch's default.
"""

from __future__ import annotations

import argparse
import gc
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from crossdistill.cli.compare import parse_methods
from crossdistill.data import from_arrays
from crossdistill.methods import Method
from crossdistill.models.spec import build_model
from crossdistill.recipes.library.paper_sets import ucf51
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.build import build_method, model_spec, stages, training_samples
from crossdistill.training.engine import OneProcess, own_process
from crossdistill.training.loop import build_optimizers, step
from crossdistill.training.randomness import seeded
from crossdistill.types import Batch

WARMUP, CLASSES = 5, 51


@dataclass(frozen=True)
class Variant:
    """precision: the recipe's; matmul, convolution: how float32 is multiplied, "ieee" or "tf32"."""

    name: str
    precision: str = "32-true"
    matmul: str = "ieee"
    convolution: str = "ieee"
    channels_last: bool = False
    compiled: bool = False


VARIANTS = (
    Variant("fp32"),
    Variant("tf32 in convolutions", convolution="tf32"),
    Variant("tf32", matmul="tf32", convolution="tf32"),
    Variant("bf16", "bf16-mixed"),
    Variant("tf32, channels last", matmul="tf32", convolution="tf32", channels_last=True),
    Variant("bf16, channels last", "bf16-mixed", channels_last=True),
)


@dataclass(frozen=True)
class Sizes:
    """Of what the recipe's readers make: B, (T, H, W) of a clip, samples of sound."""

    batch: int
    clip: tuple[int, int, int]
    sound: int


@dataclass(frozen=True)
class Measured:
    milliseconds: float
    mebibytes: float


NOTHING = Measured(math.nan, math.nan)


def sizes_of(recipe: Recipe) -> Sizes:
    video, audio = recipe.data.readers["video"], recipe.data.readers["audio"]
    return Sizes(recipe.batch_size, (video.frames, video.size, video.size), round(audio.seconds * audio.rate))


def tiny(recipe: Recipe) -> Recipe:
    """The same in small, for a look at whether everything runs."""
    encoders = dict(recipe.model.encoders)
    encoders["video"] = replace(encoders["video"], settings={**encoders["video"].settings, "channels": 2})
    encoders["audio"] = replace(encoders["audio"], settings={"channels": 2, "width": 16})
    readers = dict(recipe.data.readers)
    readers["video"] = replace(readers["video"], frames=4, size=16, resize=16)
    readers["audio"] = replace(readers["audio"], seconds=0.1)
    model, data = replace(recipe.model, width=16, encoders=encoders), replace(recipe.data, readers=readers)
    return replace(recipe, batch_size=4, model=model, data=data)


def batch_of(sizes: Sizes, method: Method, device: torch.device) -> Batch:
    """Labels as a shuffled training split has them; only what the method's views read."""
    generator = torch.Generator().manual_seed(0)
    values: dict[str, Tensor] = {
        "video": torch.randn(sizes.batch, 3, *sizes.clip, generator=generator),
        "audio": 0.1 * torch.randn(sizes.batch, sizes.sound, 1, generator=generator),
    }
    labels = torch.randint(CLASSES, (sizes.batch,), generator=generator)
    read = {name: values[name] for name in method.model.modalities_of(*method.views)}
    return Batch(read, labels, torch.arange(sizes.batch), {}).to(device)


def measure(recipe: Recipe, variant: Variant, device: str, steps: int) -> Measured:
    torch.backends.cuda.matmul.fp32_precision = variant.matmul
    torch.backends.cudnn.conv.fp32_precision = variant.convolution
    engine = OneProcess(torch.device(device), variant.precision)
    sizes = sizes_of(recipe)
    labels = np.arange(2 * CLASSES) % CLASSES
    shapes = {"video": np.zeros((len(labels), 3, 1, 1, 1)), "audio": np.zeros((len(labels), 1, 1))}
    dataset = from_arrays(shapes, labels, splits=np.arange(len(labels)) >= CLASSES)
    with seeded(recipe.seed, engine.device):
        model = build_model(model_spec(recipe, dataset))
        method = build_method(recipe, model, training_samples(recipe, dataset))
        engine.to_device(method)
        engine.to_device(model).train()
        batch = batch_of(sizes, method, engine.device)
        if variant.channels_last:
            model.encoders["video"].to(memory_format=torch.channels_last_3d)
            batch.modalities["video"] = batch.modalities["video"].to(memory_format=torch.channels_last_3d)
        if variant.compiled:
            model.encoders["video"].compile()
        for stage in stages(recipe, method):
            for prepare in stage.before:
                prepare()
        optimizers = build_optimizers(stage.method, stage.epochs, recipe.optimization)
        turns = stage.method.turns(stage.epochs - 1)
        times = []
        for number in range(WARMUP + steps):
            if number == WARMUP and device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            wait(device)
            started = time.perf_counter()
            step(engine, method, turns, optimizers, batch, recipe.optimization.clip_norm)
            wait(device)
            times.append(time.perf_counter() - started)
    memory = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else math.nan
    return Measured(1000 * statistics.median(times[WARMUP:]), memory)


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def table(recipe: Recipe, methods: Sequence[str], variants: Sequence[Variant], device: str, steps: int) -> None:
    """A row each, ratios to the method's fp32 and to the first method in the same variant."""
    print(f"\n| method | variant | ms a step | x fp32 | x {methods[0]} | peak MiB | x fp32 |\n" + "|---" * 7 + "|")
    found: dict[tuple[str, str], Measured] = {}
    for name in methods:
        for variant in variants:
            try:
                found[name, variant.name] = measure(replace(recipe, method=name), variant, device, steps)
            except torch.OutOfMemoryError:
                print(f"| {name} | {variant.name} | out of memory | | | | |")
                continue
            finally:
                gc.collect()
                torch.compiler.reset()
                torch.cuda.empty_cache()
            now, fp32 = found[name, variant.name], found.get((name, variants[0].name), NOTHING)
            beside = found.get((methods[0], variant.name), NOTHING)
            cells = [
                shown(now.milliseconds, ".1f"),
                shown(now.milliseconds / fp32.milliseconds, ".2f"),
                shown(now.milliseconds / beside.milliseconds, ".2f"),
                shown(now.mebibytes, ",.0f"),
                shown(now.mebibytes / fp32.mebibytes, ".2f"),
            ]
            print(f"| {name} | {variant.name} | {' | '.join(cells)} |", flush=True)


def shown(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", type=parse_methods, default=["baseline", "amid"], help="with commas, or all")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--compile", action="store_true", help="also with torch.compile of the video encoder")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="narrow encoders, small clips: whether everything runs")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("gpu.py: error: no GPU here; `--device cpu --tiny` shows whether everything runs", file=sys.stderr)
        return 2
    own_process()
    recipe = tiny(ucf51()) if arguments.tiny else ucf51()
    compiled = [replace(v, name=f"{v.name}, compiled", compiled=True) for v in VARIANTS[-2:] if arguments.compile]
    sizes = sizes_of(recipe)
    machine = torch.cuda.get_device_name() if arguments.device == "cuda" else "CPU"
    print(
        f"UCF51 recipe{', tiny' if arguments.tiny else ''}, B = {sizes.batch}, clips {sizes.clip}, sounds {sizes.sound}"
    )
    print(f"{machine}, PyTorch {torch.__version__}, median of {arguments.steps} steps")
    table(recipe, arguments.methods, [*VARIANTS, *compiled], arguments.device, arguments.steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
