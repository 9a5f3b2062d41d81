"""Times the rows in PyTorch, as bench/bench.ts does in this project.

usage: python bench/pytorch/bench.py [--only NAME] [--steps N] [--warmup N] [--threads N] [--json]
Needs torch, diffusers and transformers.
"""
import argparse
import json
import statistics
import time

import bert
import dit
import gpt2
import text_vae
import torch
import unet

ROWS = {**unet.ROWS, **bert.ROWS, **gpt2.ROWS, **dit.ROWS, **text_vae.ROWS}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    rows = []
    for name, prepare in ROWS.items():
        if args.only not in name:
            continue
        step = prepare()
        for _ in range(args.warmup):
            step()
        times, cpu_times = [], []
        for _ in range(args.steps):
            start, cpu_start = time.perf_counter(), time.process_time()
            step()
            times.append(time.perf_counter() - start)
            cpu_times.append(time.process_time() - cpu_start)
        rows.append(
            {"name": name, "ms": 1e3 * statistics.median(times), "cpuMs": 1e3 * statistics.median(cpu_times)}
        )
        if not args.json:
            print(f"{name:40} {rows[-1]['ms']:8.1f} ms {rows[-1]['cpuMs']:8.1f} ms of CPU", flush=True)
    if args.json:
        print(json.dumps({"rows": rows}))
