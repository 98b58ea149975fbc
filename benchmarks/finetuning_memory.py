"""Memory of fine-tuning a language model: calculated, and measured on the real architecture.

    python benchmarks/finetuning_memory.py [--model esm2_t33] [--step lora] [--step full] [--count]

Prints what one step of training takes by mode, precision, tokens of a batch and recomputing of layers
(`classifiers._finetuning_memory`), beside the 16 GB of a common GPU. `--count` counts the tensors that one
layer of ESM-2 keeps for the way back, on which the calculation stands. `--step MODE` makes one step of the
optimizer, of two accumulated batches, on the processor with random weights, layers computed anew, and prints
the peak of resident memory before and after it. Exit code 1 if a step takes more than 16 GB, or the
calculation differs from the count by more than a tenth. Needs `pip install '.[train,plm]'`.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, Literal

import numpy as np

from embedding import peak_megabytes, said

GB = 10**9
GPU_GB = 16.0
SEED = 7
RESIDUES = 510
"""Of a sequence in the table; with two special tokens 512."""


def table(name: str) -> None:
    """The calculation for some settings."""
    from sortilin import language_models
    from sortilin.classifiers._finetuning_memory import memory_estimate

    checkpoint = language_models.checkpoint(name)
    titles = ("weights", "gradients", "Adam", "activations", "all, GB")
    print(f"{name}, {checkpoint.n_parameters:,} parameters; 16 sequences of {RESIDUES} residues a batch")
    print("{:7} {:9} {:11} {:>8} {:>10} {:>6} {:>12} {:>8}".format("mode", "precision", "layers", *titles))
    for mode in ("frozen", "lora", "full"):
        for precision in ("float32", "bfloat16"):
            for again in (False, True) if mode != "frozen" else (False,):
                found = memory_estimate(
                    checkpoint,
                    mode=mode,
                    batch_tokens=16 * (RESIDUES + 2),
                    precision=precision,
                    gradient_checkpointing=again,
                )
                parts = (found.weights, found.gradients, found.optimizer, found.activations, found.total)
                numbers = [part / GB for part in parts]
                layers = "recomputed" if again else "kept"
                line = "{:7} {:9} {:11} {:8.2f} {:10.2f} {:6.2f} {:12.2f} {:8.2f}"
                print(line.format(mode, precision, layers, *numbers))


def network(name: str, mode: str, *, recomputes: bool, n_layers: int | None = None) -> Any:
    """A language model with random weights, made ready to be trained, under the head."""
    import torch

    from sortilin import language_models, registry
    from sortilin.classifiers import _finetuning

    model = language_models.from_config(name, seed=SEED, n_layers=n_layers)
    language_models.ready_to_train(model, 10_000)
    if recomputes:
        _finetuning.save_memory(model)
    if mode == "lora":
        language_models.add_adapter(model, rank=8, alpha=16, dropout=0.05, targets=None, seed=SEED)
    torch.manual_seed(SEED)
    head = registry.get("head", "cnn_attention")(width=model.checkpoint.width, n_classes=2)
    found = _finetuning.TunedNetwork(model, head, layer=-1, scale=1.0)
    if mode == "full":
        _finetuning.train_all(found, model.vocabulary)
    return found


def kept_bytes(mode: str, precision: str, n_layers: int, *, recomputes: bool) -> tuple[int, int]:
    """Bytes that layers of ESM-2 keep for the way back, parameters and their copies left out; and tokens."""
    import torch

    made = network("esm2_t6", mode, recomputes=recomputes, n_layers=n_layers).train()
    own = {parameter.untyped_storage().data_ptr() for parameter in made.parameters()}
    shapes = {parameter.shape for parameter in made.parameters()}
    shapes |= {torch.Size(reversed(shape)) for shape in shapes}
    kept: dict[int, Any] = {}

    def note(tensor: Any) -> Any:
        place = tensor.untyped_storage().data_ptr()
        if place not in own and tensor.shape not in shapes:
            kept[place] = tensor
        return tensor

    ids, _, _ = map(torch.from_numpy, made.model.vocabulary.batch(["M" * 126] * 8))
    mixed = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), mixed:
        held = made.model.hidden(ids, None)
    del held
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values()), ids.numel()


def count() -> bool:
    """Bytes a token and layer, in units of the width, counted and as the calculation has them."""
    from sortilin.classifiers import _finetuning_memory as calculation

    is_met, width = True, 320
    for mode in ("full", "lora"):
        for precision in ("float32", "bfloat16"):
            two, n_tokens = kept_bytes(mode, precision, 2, recomputes=False)
            four, _ = kept_bytes(mode, precision, 4, recomputes=False)
            found = (four - two) / 2 / n_tokens / width
            expected = calculation.KEPT_A_LAYER[precision]
            expected += calculation.KEPT_OF_ADAPTERS if mode == "lora" else 0
            print(
                f"{mode}, {precision}: a layer keeps {found:.1f} D bytes of a token; calculated {expected} D"
            )
            is_met &= abs(found / expected - 1) < 0.1
    return is_met


def step(name: str, mode: Literal["lora", "full"]) -> bool:
    """One step of the real architecture; whether it stays below the bar."""
    from sortilin.classifiers._finetuning import TokenExamples
    from sortilin.classifiers._finetuning_memory import memory_estimate
    from sortilin.training import loop
    from sortilin.training.config import TrainingConfig

    before = peak_megabytes()
    made = network(name, mode, recomputes=True)
    rows = ["MKVLATGDERWYCHNQSPFI" * 6] * 4
    examples = TokenExamples(rows, np.arange(4) % 2, made.model.vocabulary)
    peaks: list[float] = []

    def look(_logits: Any, _y: Any) -> dict[str, float]:
        peaks.append(peak_megabytes())  # before the best weights are copied, which stay on the host
        return {}

    config = TrainingConfig(
        epochs=1, batch_size=2, accumulation=2, metric="loss", precision="float32", learning_rate=1e-5
    )
    loop.train(made, loop.Job(examples, examples, config, n_classes=2, score=look, seed=SEED))
    expected = memory_estimate(
        made.model.checkpoint, mode=mode, batch_tokens=2 * 122, gradient_checkpointing=True
    )
    print(
        f"{name}, {mode}, layers recomputed, 2 x 2 sequences of 120 residues: peak {peaks[0]:,.0f} MB, of "
        f"which {before:,.0f} before the model; calculated {expected.total / 2**20:,.0f} MB"
    )
    return said(f"{name}, {mode}: GB", peaks[0] * 2**20 / GB, GPU_GB, is_most=True)


def main() -> None:
    """The table, and what else is asked for."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="esm2_t33")
    parser.add_argument("--step", action="append", choices=("lora", "full"), default=[], help="one a process")
    parser.add_argument("--count", action="store_true")
    options = parser.parse_args()
    table(options.model)
    met = [count()] if options.count else []
    met += [step(options.model, mode) for mode in options.step]
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
