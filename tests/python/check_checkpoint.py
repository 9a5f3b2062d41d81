"""Opens a run's checkpoint with diffusers and compares its UNet or DiT with ours.

    deno run -A tests/python/network_output.ts runs/NAME output.json
    python tests/python/check_checkpoint.py output.json

Needs torch and diffusers. Exits with 1 where they differ by more than 1e-4.
"""

import json
import sys
from pathlib import Path

import torch
from diffusers import DiffusionPipeline, DiTTransformer2DModel, UNet2DModel
from safetensors import safe_open

TOLERANCE = 1e-4


def worst(found, expected):
    return (found - expected).abs().max().item()


def main() -> int:
    ours = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(ours["directory"])
    failures = []

    is_dit = (folder / "transformer").exists()
    part = folder / ("transformer" if is_dit else "unet")
    network, loading = (DiTTransformer2DModel if is_dit else UNet2DModel).from_pretrained(
        part, output_loading_info=True, low_cpu_mem_usage=False
    )
    for what, names in loading.items():
        if names:
            failures.append(f"{what}: {names}")
    with safe_open(part / "diffusion_pytorch_model.safetensors", "pt") as file:
        print("metadata:", file.metadata())

    x = torch.tensor(ours["x"]).reshape(ours["shape"])
    labels = None if ours["labels"] is None else torch.tensor(ours["labels"])
    for case in ours["cases"]:
        with torch.no_grad():
            timestep = torch.full((len(x),), case["timestep"])
            expected = network.eval()(x, timestep, class_labels=labels).sample
        found = torch.tensor(case["output"]).reshape(expected.shape)
        difference, size = worst(found, expected), expected.abs().max().item()
        print(f"timestep {case['timestep']}: they differ by {difference:.1e} of up to {size:.3f}")
        if not difference <= TOLERANCE:
            failures.append(f"outputs at timestep {case['timestep']} differ by {difference}")
        if size < 1e-3:
            failures.append("the outputs are all but 0: that compares nothing")

    # The whole folder as a pipeline: its scheduler has our noise levels, and it draws. A DiTPipeline
    # wants a VAE, which ours do without: images are their own latents.
    options = {"vae": None} if is_dit else {}
    pipeline = DiffusionPipeline.from_pretrained(folder, low_cpu_mem_usage=False, **options)
    scheduler = pipeline.scheduler
    print(f"{type(pipeline).__name__} with {type(scheduler).__name__}")
    if type(scheduler).__name__.startswith("FlowMatch"):
        return finish(failures)
    if network.config.out_channels == 2 * network.config.in_channels:
        # Learned variances: one step of ddpm with what the network gave.
        output = torch.tensor(ours["cases"][1]["output"]).reshape(len(x), 2, *x.shape[2:])
        scheduler.set_timesteps(scheduler.config.num_train_timesteps)
        step = scheduler.step(output, ours["cases"][1]["timestep"], x).prev_sample
        if not step.isfinite().all():
            failures.append("a step with learned variances is not finite")
        print("a step of", scheduler.config.variance_type)
    alphas = torch.tensor(ours["alphasCumprod"], dtype=torch.float64)
    difference = worst(scheduler.alphas_cumprod.double(), alphas)
    print(f"alphas_cumprod differ by {difference:.1e}")
    if not difference <= 1e-5:
        failures.append(f"alphas_cumprod differ by {difference}")
    if labels is None:
        images = pipeline(num_inference_steps=2, output_type="np").images
        print("pictures drawn:", images.shape)

    return finish(failures)


def finish(failures) -> int:
    for failure in failures:
        print("FAILED:", failure, file=sys.stderr)
    return 1 if failures else 0


sys.exit(main())
