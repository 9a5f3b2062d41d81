"""Compares this project with PyTorch: times each row in both, alternately.

usage: python bench/pytorch/compare.py [--only NAME] [--rounds N] [--steps N] [--threads N] [--json]
Needs torch, diffusers and transformers, and deno in PATH (or its path in DENO). Other programs should not run meanwhile.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import bench

HERE = pathlib.Path(__file__).parent
DENO = os.environ.get("DENO", "deno")


def run(command, options):
    """The row that the command prints, with the peak of its resident memory in GB."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([*command, *options, "--json"], cwd=HERE.parent.parent, stdout=output)
        # ru_maxrss of wait4 is the maximum over the process and its children (deno task has one), in KB.
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"{' '.join(command)} failed.")
        output.seek(0)
        return {**json.load(output)["rows"][0], "peak_gb": usage.ru_maxrss / 2**20}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    for name in bench.ROWS:
        if args.only not in name:
            continue
        options = ["--only", name, "--steps", str(args.steps), "--threads", str(args.threads)]
        pairs = [
            (
                run([DENO, "task", "-q", "bench"], options),
                run([sys.executable, str(HERE / "bench.py")], options),
            )
            for _ in range(args.rounds)
        ]
        row = {
            "name": name,
            "ours_ms": statistics.median(ours["ms"] for ours, _ in pairs),
            "torch_ms": statistics.median(torch["ms"] for _, torch in pairs),
            # The median over pairs, so that a busy minute affects both sides.
            "ratio": statistics.median(ours["ms"] / torch["ms"] for ours, torch in pairs),
            "cpu_ratio": statistics.median(ours["cpuMs"] / torch["cpuMs"] for ours, torch in pairs),
            "ours_gb": max(ours["peak_gb"] for ours, _ in pairs),
            "torch_gb": max(torch["peak_gb"] for _, torch in pairs),
        }
        rows.append(row)
        if not args.json:
            print(
                f"{name:40} ours {row['ours_ms']:8.1f} ms, PyTorch {row['torch_ms']:8.1f} ms, "
                f"ratio {row['ratio']:.2f}, of CPU time {row['cpu_ratio']:.2f}; "
                f"peak {row['ours_gb']:.2f} and {row['torch_gb']:.2f} GB",
                flush=True,
            )
    if args.json:
        print(json.dumps({"rows": rows}))
