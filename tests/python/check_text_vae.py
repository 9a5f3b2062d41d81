"""Opens a text VAE's checkpoint with transformers, and compares with outputs that were computed here.

usage: python check_text_vae.py OUTPUT.json
"""
import json
import sys

import torch
from transformers import AutoTokenizer, BertModel, GPT2LMHeadModel

case = json.load(open(sys.argv[1]))
folder = case["folder"]
encoder, loading = BertModel.from_pretrained(f"{folder}/encoder", output_loading_info=True)
decoder, said = GPT2LMHeadModel.from_pretrained(f"{folder}/decoder", output_loading_info=True)
for info in (loading, said):
    assert not info["missing_keys"] and not info["unexpected_keys"], info
encoder.eval(), decoder.eval()

tokenizer = AutoTokenizer.from_pretrained(f"{folder}/tokenizer")
ids = tokenizer(case["text"], add_special_tokens=False)["input_ids"]
assert ids == case["tokens"], (ids, case["tokens"])
assert tokenizer.decode(ids) == case["text"]

with torch.no_grad():
    inputs = torch.tensor([case["encoderIds"]])
    hidden = encoder(input_ids=inputs).last_hidden_state
    logits = decoder(input_ids=torch.tensor([case["tokens"]])).logits
for name, found in (("hidden", hidden), ("logits", logits)):
    wanted = torch.tensor(case[name]).reshape(found.shape)
    error = (found - wanted).abs().max().item()
    assert error < 1e-4, (name, error)
print("BertModel, GPT2LMHeadModel and the tokenizer agree")
