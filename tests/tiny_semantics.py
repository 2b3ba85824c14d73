"""Semantic encoders of the real architectures, tiny and random, as folders that save_pretrained writes."""

from pathlib import Path
from string import ascii_lowercase
from typing import Any

import torch
from sentencepiece import SentencePieceTrainer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    ConvNextConfig,
    ConvNextModel,
    Dinov2Config,
    Dinov2Model,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
    SiglipTokenizer,
    ViTConfig,
    ViTModel,
)

SIDE, PATCH = 32, 8
TOWER = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
STAGES = {"hidden_sizes": [4, 8, 8, 16], "depths": [1, 1, 1, 1]}
PICTURE = {"image_size": SIDE, "patch_size": PATCH}
MEAN, STD = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]
WORDS = ["a", "photo", "of", "fig", "date"]


def lively(model: nn.Module) -> Any:
    """Random weights large enough that every one of them matters."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "logit_scale" not in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return model.eval()


def save_processor(folder: Path) -> Path:
    """An image processor with a mean and a deviation of its own."""
    size = {"height": SIDE, "width": SIDE}
    CLIPImageProcessorPil(
        size=size, crop_size=size, image_mean=MEAN, image_std=STD, do_center_crop=False
    ).save_pretrained(folder)
    return folder


def save_vit(folder: Path) -> Path:
    lively(ViTModel(ViTConfig(**TOWER, **PICTURE))).save_pretrained(folder)
    return save_processor(folder)


def save_dinov2(folder: Path) -> Path:
    """Its own position encodings are for a larger picture than its processor makes, as in the real one."""
    tower = {**TOWER, "mlp_ratio": 2, "image_size": 48, "patch_size": PATCH}
    lively(Dinov2Model(Dinov2Config(**tower))).save_pretrained(folder)
    return save_processor(folder)


def save_convnext(folder: Path) -> Path:
    config = ConvNextConfig(**STAGES, image_size=SIDE)
    lively(ConvNextModel(config)).save_pretrained(folder)
    return save_processor(folder)


def save_clip(folder: Path) -> Path:
    """Its tokens are letters; those at the end of a word are others."""
    tokens = [
        "<|startoftext|>",
        "<|endoftext|>",
        *ascii_lowercase,
        *(f"{one}</w>" for one in ascii_lowercase),
    ]
    text = {**TOWER, "vocab_size": len(tokens), "max_position_embeddings": 24}
    config = CLIPConfig(
        vision_config={**TOWER, **PICTURE},
        text_config={**text, "bos_token_id": 0, "eos_token_id": 1},
        projection_dim=12,
    )
    lively(CLIPModel(config)).save_pretrained(folder)
    CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[]).save_pretrained(folder)
    return save_processor(folder)


def save_siglip(folder: Path) -> Path:
    """As the second generation is published: its tokenizer is one file of the library tokenizers."""
    words = {word: i for i, word in enumerate(["<unk>", "</s>", *WORDS])}
    tokenizer = Tokenizer(WordLevel(words, "<unk>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>", pad_token="</s>"
    ).save_pretrained(folder)
    return save_siglip_model(folder, len(words))


def save_siglip_with_sentences(folder: Path) -> Path:
    """As the first generation is published: its tokenizer is a model of SentencePiece."""
    folder.mkdir()
    SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(WORDS)]), model_prefix=str(folder / "spiece"), vocab_size=20,
        hard_vocab_limit=False, unk_id=0, eos_id=1, pad_id=-1, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    tokenizer = SiglipTokenizer(str(folder / "spiece.model"))
    tokenizer.save_pretrained(folder)
    return save_siglip_model(folder, len(tokenizer))


def save_siglip_model(folder: Path, vocabulary: int) -> Path:
    """The network and its image processor."""
    text = {**TOWER, "vocab_size": vocabulary, "max_position_embeddings": 24, "projection_size": 16}
    config = SiglipConfig(
        vision_config={**TOWER, **PICTURE}, text_config={**text, "bos_token_id": 0, "eos_token_id": 1}
    )
    lively(SiglipModel(config)).save_pretrained(folder)
    return save_processor(folder)
