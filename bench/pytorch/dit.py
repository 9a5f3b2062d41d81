"""The diffusion transformer's row of bench/text_rows.ts in PyTorch: adaLN-zero blocks over latents."""
import math

import torch
from torch import nn
from torch.nn import functional as F


def modulate(x, shift, scale):
    return x * (1 + scale[:, None]) + shift[:, None]


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.modulation = nn.Linear(width, 6 * width)

    def forward(self, x, c):
        batch, tokens, width = x.shape
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(F.silu(c)).chunk(6, -1)
        qkv = self.qkv(modulate(self.norm1(x), shift_a, scale_a))
        q, k, v = qkv.view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
        x = x + gate_a[:, None] * self.proj(attended)
        inner = F.gelu(self.fc1(modulate(self.norm2(x), shift_m, scale_m)), approximate="tanh")
        return x + gate_m[:, None] * self.fc2(inner)


class DiT(nn.Module):
    def __init__(self, tokens=16, latent=384, width=384, depth=12, heads=6):
        super().__init__()
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        self.x_embedder = nn.Linear(latent, width)
        self.t_embedder = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.modulation = nn.Linear(width, 2 * width)
        self.linear = nn.Linear(width, latent)
        for layer in (self.modulation, self.linear, *(block.modulation for block in self.blocks)):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x, t):
        frequencies = torch.exp(-math.log(10000) * torch.arange(128) / 128)
        angles = t[:, None] * frequencies
        c = self.t_embedder(torch.cat([angles.cos(), angles.sin()], -1))
        x = self.x_embedder(x) + self.pos_embed
        for block in self.blocks:
            x = block(x, c)
        shift, scale = self.modulation(F.silu(c)).chunk(2, -1)
        return self.linear(modulate(self.norm(x), shift, scale))


def train(batch):
    net = DiT()
    ema = [p.detach().clone() for p in net.parameters()]
    optimizer = torch.optim.AdamW(net.parameters(), 1e-4)
    x0 = torch.randn(batch, 16, 384)

    def step():
        noise, t = torch.randn_like(x0), torch.randint(0, 1000, (batch,))
        a = torch.cos(t / 1000 * torch.pi / 2).reshape(-1, 1, 1)
        s = torch.sin(t / 1000 * torch.pi / 2).reshape(-1, 1, 1)
        loss = ((net(a * x0 + s * noise, t.float()) - noise) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        torch._foreach_lerp_(ema, list(net.parameters()), 0.01)

    return step


ROWS = {"dit train batch 64": lambda: train(64)}
