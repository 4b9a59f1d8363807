"""Vision Transformer for small images.

"An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", Dosovitskiy, Beyer, Kolesnikov,
Weissenborn, Zhai, Unterthiner, Dehghani, Minderer, Heigold, Gelly, Uszkoreit, Houlsby, 2020, arXiv 2010.11929.

For 32 pixels the patches are 4×4, not 16×16: 64 of them and the class token, so that there is a sequence to attend to.
b, l and h have the paper's sizes (Table 1), xs and s are for data as small as CIFAR. The positions are learned one by
one, so images of another size are refused. No dropout.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE, PATCH = 32, 4
NUM_TOKENS = (SIZE // PATCH) ** 2 + 1
INIT_STD = 0.02
"""Standard deviation of the weights at the start (truncated normal), as in BERT and its successors."""
HEAD_STD = INIT_STD / 2
"""Of the head: at `INIT_STD` the logits of vit_h would spread by 0.7, and a batch could start 1 above ln(classes)."""
NORM_EPS = 1e-6
"""Of the authors' code; torch's own is 1e-5."""


@dataclass(frozen=True)
class Variant:
    """A row of the paper's Table 1; the hidden layer is always four times as wide as a token."""

    dim: int
    """Numbers in a token."""
    depth: int
    heads: int


VARIANTS = {
    "vit_xs": Variant(192, 6, 3),
    "vit_s": Variant(384, 8, 6),
    "vit_b": Variant(768, 12, 12),
    "vit_l": Variant(1024, 24, 16),
    "vit_h": Variant(1280, 32, 16),
}


class Attention(nn.Module):
    """Let every token gather from all tokens, once per head."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, T, dim) to the same shape."""
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        gathered = F.scaled_dot_product_attention(query, key, value)
        return self.proj(gathered.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Add attention and then a two-layer network to the tokens, each reading them through a LayerNorm."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attention = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, T, dim) to the same shape."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Patches as tokens, a class token, learned positions, blocks, a last LayerNorm, and one linear layer."""

    def __init__(self, variant: Variant, num_classes: int, in_channels: int) -> None:
        super().__init__()
        dim = variant.dim
        self.class_token = nn.Parameter(torch.empty(1, 1, dim))
        self.positions = nn.Parameter(torch.empty(1, NUM_TOKENS, dim))
        self.patches = nn.Conv2d(in_channels, dim, PATCH, stride=PATCH)
        self.blocks = nn.Sequential(*[Block(dim, variant.heads) for _ in range(variant.depth)])
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.head = nn.Linear(dim, num_classes)
        self._init_weights()

    def _init_weights(self) -> None:
        nn.init.trunc_normal_(self.class_token, std=INIT_STD)
        nn.init.trunc_normal_(self.positions, std=INIT_STD)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=INIT_STD)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.head.weight, std=HEAD_STD)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, 32, 32) to logits (B, num_classes).

        Raises:
            ValueError: the images have another size.
        """
        height, width = x.shape[-2:]
        if height != SIZE or width != SIZE:
            raise ValueError(
                f"ViT learns a position for each patch of a {SIZE}×{SIZE} image and cannot read one of "
                f"{height}×{width} pixels: resize it to {SIZE}×{SIZE}, or choose another net."
            )
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.class_token.expand(x.shape[0], -1, -1), tokens), 1) + self.positions
        x = self.norm(self.blocks(x))
        return self.head(x[:, 0])


def vit(variant: str, num_classes: int, in_channels: int) -> ViT:
    """Build a row of `VARIANTS`."""
    return ViT(VARIANTS[variant], num_classes, in_channels)
