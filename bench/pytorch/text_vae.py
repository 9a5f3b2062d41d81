"""The row of bench/text_vae_rows.ts in PyTorch: transformers' BertModel and GPT2LMHeadModel, random weights."""
import torch
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

LATENTS, WIDTH = 16, 768


class TextVae(torch.nn.Module):
    def __init__(self):
        super().__init__()
        # No dropout, as in bench/text_vae_rows.ts.
        quiet = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        self.encoder = BertModel(BertConfig(**quiet), add_pooling_layer=False)
        self.mean = torch.nn.Linear(768, WIDTH)
        self.adapter = torch.nn.Linear(WIDTH, 768)
        self.decoder = GPT2LMHeadModel(GPT2Config(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))

    def forward(self, encoder_ids, mask, decoder_ids, labels, noise):
        states = self.encoder(encoder_ids, attention_mask=mask).last_hidden_state
        latents = torch.tanh(self.mean(states[:, :LATENTS])) + 0.4 * noise
        embeddings = torch.cat([self.adapter(latents), self.decoder.transformer.wte(decoder_ids)], 1)
        hidden = self.decoder.transformer(inputs_embeds=embeddings).last_hidden_state
        # The prefix predicts nothing.
        logits = self.decoder.lm_head(hidden[:, LATENTS:])
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


def train(batch, length):
    net = TextVae().train()
    optimizer = torch.optim.AdamW(net.parameters(), 1e-4)
    tokens = lambda words: torch.randint(0, words, (batch, length))
    inputs = tokens(30522), torch.ones(batch, length), tokens(50257), tokens(50257), torch.randn(batch, LATENTS, WIDTH)

    def step():
        loss = net(*inputs)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()

    return step


ROWS = {"text vae base train batch 8x64": lambda: train(8, 64)}
