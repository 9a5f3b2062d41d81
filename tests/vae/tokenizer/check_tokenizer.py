"""Opens tokenizers in transformers and compares ids and texts: check_tokenizer.py CASES.json

Each case: {"folder" or "bert" or "gpt2": where, "texts", "marked", "bare", "decoded", "train"?}.
"""
import json
import sys

from transformers import AutoTokenizer, BertTokenizerFast, GPT2TokenizerFast


def opened(case):
    if "bert" in case:
        return BertTokenizerFast(vocab=f"{case['bert']}/vocab.txt")
    if "gpt2" in case:
        return GPT2TokenizerFast(
            vocab=f"{case['gpt2']}/encoder.json", merges=f"{case['gpt2']}/vocab.bpe"
        )
    return AutoTokenizer.from_pretrained(case["folder"])


def train(case, backend):
    """The same training by the library that transformers builds on."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    ours = json.loads(backend.to_str())
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = backend.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=case["train"]["vocabSize"],
        min_frequency=2,
        special_tokens=[token["content"] for token in ours["added_tokens"]],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(case["train"]["texts"], trainer)
    theirs = json.loads(tokenizer.to_str())["model"]
    assert theirs["merges"] == ours["model"]["merges"], "other merges"
    assert theirs["vocab"] == ours["model"]["vocab"], "another vocabulary"


for case in json.load(open(sys.argv[1], encoding="utf-8")):
    tokenizer = opened(case)
    for role, expected in case.get("special", {}).items():
        assert getattr(tokenizer, f"{role}_token_id") == expected, (role, expected)
    for text, marked, bare, decoded in zip(
        case["texts"], case["marked"], case["bare"], case["decoded"], strict=True
    ):
        assert tokenizer(text)["input_ids"] == marked, (text, marked)
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == bare, (text, bare)
        found = tokenizer.decode(bare, skip_special_tokens=True)
        assert found == decoded, (text, found, decoded)
    if "train" in case:
        train(case, tokenizer.backend_tokenizer)
    print("same", len(case["texts"]))
