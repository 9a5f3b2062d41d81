"""The GPT-2 rows of bench/text_rows.ts in PyTorch: transformers' GPT2LMHeadModel, random weights."""
import torch
from transformers import GPT2Config, GPT2LMHeadModel


def model():
    # No dropout, as in bench/text_rows.ts.
    return GPT2LMHeadModel(GPT2Config(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))


def train(batch, length):
    net = model().train()
    optimizer = torch.optim.AdamW(net.parameters(), 1e-4)
    tokens = torch.randint(0, net.config.vocab_size, (batch, length))

    def step():
        loss = net(tokens, labels=tokens).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()

    return step


def decode(batch, count):
    net = model().eval()
    start = torch.full((batch, 1), net.config.vocab_size - 1)

    def step():
        with torch.inference_mode():
            token, cache = start, None
            for _ in range(count):
                result = net(token, past_key_values=cache, use_cache=True)
                token, cache = result.logits[:, -1:].argmax(-1), result.past_key_values

    return step


ROWS = {
    "gpt2 train batch 4x128": lambda: train(4, 128),
    "gpt2 decode batch 1 of 64 tokens": lambda: decode(1, 64),
    "gpt2 decode batch 16 of 64 tokens": lambda: decode(16, 64),
}
