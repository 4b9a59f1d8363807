"""Batch norm over the images of all ranks: its statistics, and the gradients through them, are the whole batch's.

Ioffe and Szegedy 2015, arXiv 1502.03167. Each rank normalises its own images with torch's own kernels; what is shared
takes one exchange a layer on the way forward and one on the way back. A rank without images takes part in both.
"""

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm


class Exchange(Protocol):
    """What all ranks do together; `Ranks` is one."""

    def gather(self, values: Tensor) -> Tensor:
        """Return everybody's (N,) values, (ranks, N)."""
        ...

    def add_up(self, values: Tensor) -> None:
        """Replace values by their sums over all ranks."""
        ...


def sync_batch_norm(network: nn.Module, exchange: Exchange) -> int:
    """Have every batch norm in a network take its statistics of all ranks' images; return how many there are.

    Parameters and buffers stay the same objects under the same names, so optimizers and checkpoints know them.
    """
    found = [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if isinstance(child, _BatchNorm)
    ]
    for parent, name, child in found:
        setattr(parent, name, SyncedBatchNorm(child, exchange))
    return len(found)


class SyncedBatchNorm(_BatchNorm):
    """In train mode one batch norm over the images of all ranks; in eval mode what the usual one is."""

    def __init__(self, norm: _BatchNorm, exchange: Exchange) -> None:
        """Take the place of a batch norm of any number of dimensions."""
        super().__init__(norm.num_features, norm.eps, norm.momentum, affine=False, track_running_stats=False)
        self.affine, self.track_running_stats = norm.affine, norm.track_running_stats
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        self._exchange = exchange

    def forward(self, input: Tensor) -> Tensor:
        """Normalise this rank's (B, C, ...) part of the batch, B from 0.

        Raises:
            ValueError: When the whole batch has one value a channel, whose variance is none.
        """
        if not self.training:
            return super().forward(input)
        with torch.no_grad():
            count, mean, var = self._measure(input)
            self._track(count, mean, var)
        weight = torch.ones_like(mean) if self.weight is None else self.weight
        bias = torch.zeros_like(mean) if self.bias is None else self.bias
        own, weight, bias = _ThroughStatistics.apply(input, weight, bias, mean, var, count, self.eps, self._exchange)
        return F.batch_norm(own, mean, var, weight, bias, training=False, eps=self.eps)

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any: the network was built with the layer that checked."""

    def _measure(self, own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the whole batch's values a channel, their mean and their biased variance, in fp32 at least."""
        channels, dtype = self.num_features, torch.promote_types(own.dtype, torch.float32)
        num = own.numel() // channels
        part = torch.zeros(2 * channels + 1, dtype=dtype, device=own.device)
        if num:
            zeros = torch.zeros(2, channels, dtype=dtype, device=own.device)  # whose dtype is the statistics'
            mean, var = torch.batch_norm_update_stats(own, zeros[0], zeros[1], 0.0)
            part[:channels], part[channels:-1], part[-1] = mean, var * num, num
        parts = self._exchange.gather(part)
        means, squares, counts = parts.split([channels, channels, 1], dim=1)
        count = counts.sum()
        if num < 2 and count < 2:  # reading the count makes a card wait, so only where it may be so
            raise ValueError("Expected more than 1 value per channel when training, got one in the whole batch")
        mean = (counts * means).sum(0) / count
        # Parts' squares about their own means become those about the common one (Chan, Golub, LeVeque 1983); sums of
        # x and x², which are simpler, lose the variance of channels whose mean is large.
        var = (squares + counts * (means - mean).square()).sum(0) / count
        return count, mean, var

    def _track(self, count: Tensor, mean: Tensor, var: Tensor) -> None:
        """Move the running statistics, of the unbiased variance, as torch does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(var * (count / (count - 1)), momentum)


class _ThroughStatistics(torch.autograd.Function):
    """Passes input, weight and bias on as they are; on the way back it adds the gradients through the statistics.

    What is behind it takes mean and variance for constants, and so gives of the input's gradient the first of three
    terms, weight/σ · (g - Σg/n - x̂ · Σ(g·x̂)/n), and with bias and weight both sums, over this rank's images.
    """

    @staticmethod
    def forward(
        ctx: Any,
        own: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        var: Tensor,
        count: Tensor,
        eps: float,
        exchange: Exchange,
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(own, weight, mean, torch.rsqrt(var + eps), count)
        ctx.exchange = exchange
        return own.view_as(own), weight.view_as(weight), bias.view_as(bias)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  the decorator's type lost the names
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        first, products, sums = grad_outputs
        own, weight, mean, scale, count = ctx.saved_tensors
        nothing = (None,) * 5
        if not ctx.needs_input_grad[0]:
            return None, products, sums, *nothing
        of_all = torch.stack([products, sums])
        ctx.exchange.add_up(of_all)
        slope = -weight * scale.square() * of_all[0] / count
        offset = -weight * scale * of_all[1] / count - slope * mean
        shape = (1, -1, *(1,) * (own.dim() - 2))
        whole = (first + offset.view(shape)).addcmul_(own, slope.view(shape))  # in fp32, whatever the input is in
        return whole.to(first.dtype), products, sums, *nothing
