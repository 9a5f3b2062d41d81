"""The BERT row of bench/text_rows.ts in PyTorch: transformers' BertModel with random weights."""
import torch
from transformers import BertConfig, BertModel


def forward(batch, length):
    config = BertConfig()  # BERT-base
    net = BertModel(config).eval()
    tokens = torch.randint(0, config.vocab_size, (batch, length))

    def step():
        with torch.inference_mode():
            net(tokens)

    return step


ROWS = {"bert-base forward batch 8x128": lambda: forward(8, 128)}
