"""The UNet rows of bench/rows.ts in PyTorch: diffusers' UNet2DModel, eager, float32."""
import torch
from diffusers import UNet2DModel

# The presets of image.ts: channels, layers per block, levels with attention, head size, groups.
PRESETS = {
    "nano": dict(channels=(32, 32, 64), layers=1, attention=(2,), head=32, groups=8),
    "small": dict(channels=(32, 64, 128), layers=2, attention=(1, 2), head=32, groups=8),
}


def model(preset):
    p = PRESETS[preset]
    levels = len(p["channels"])
    down = ["AttnDownBlock2D" if i in p["attention"] else "DownBlock2D" for i in range(levels)]
    up = ["AttnUpBlock2D" if levels - 1 - i in p["attention"] else "UpBlock2D" for i in range(levels)]
    return UNet2DModel(
        sample_size=28,
        in_channels=1,
        out_channels=1,
        block_out_channels=p["channels"],
        layers_per_block=p["layers"],
        down_block_types=down,
        up_block_types=up,
        attention_head_dim=p["head"],
        norm_num_groups=p["groups"],
        num_class_embeds=11,
    )


def train(preset, batch):
    net = model(preset)
    ema = [p.detach().clone() for p in net.parameters()]
    optimizer = torch.optim.AdamW(net.parameters(), 1e-4)
    x0, labels = torch.rand(batch, 1, 28, 28) * 2 - 1, torch.randint(0, 10, (batch,))

    def step():
        noise, t = torch.randn_like(x0), torch.randint(0, 1000, (batch,))
        a = torch.cos(t / 1000 * torch.pi / 2).reshape(-1, 1, 1, 1)
        s = torch.sin(t / 1000 * torch.pi / 2).reshape(-1, 1, 1, 1)
        loss = ((net(a * x0 + s * noise, t, labels).sample - noise) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        torch._foreach_lerp_(ema, list(net.parameters()), 0.01)

    return step


def sample(preset, batch):
    net = model(preset).eval()
    x, labels = torch.randn(batch, 1, 28, 28), torch.randint(0, 10, (batch,))

    def step():
        with torch.inference_mode():
            net(x, 500, labels)

    return step


ROWS = {
    "unet nano train batch 32": lambda: train("nano", 32),
    "unet nano train batch 128": lambda: train("nano", 128),
    "unet small train batch 32": lambda: train("small", 32),
    "unet nano sample batch 64": lambda: sample("nano", 64),
    "unet small sample batch 64": lambda: sample("small", 64),
}
