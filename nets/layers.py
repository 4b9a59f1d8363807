"""The blocks and the initialisation that two or more families share; what one family alone uses stays in its file."""

import torch
from torch import Tensor, nn


class ConvBN(nn.Sequential):
    """Convolve, batch-normalise and, unless `act` is None, activate; an odd kernel at stride 1 keeps the size.

    The activation works in place: batch norm's backward pass needs its input, not its output.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        groups: int = 1,
        bias: bool = False,
        act: type[nn.ReLU | nn.ReLU6 | nn.SiLU] | None = nn.ReLU,
    ) -> None:
        conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, groups=groups, bias=bias)
        layers: list[nn.Module] = [conv, nn.BatchNorm2d(out_channels)]
        if act is not None:
            layers.append(act(inplace=True))
        super().__init__(*layers)


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate in 0-1 that two 1×1 convolutions compute from all channels' means.

    Hu et al. 2017, arXiv 1709.01507, §3. The gate has `squeezed` hidden channels and its convolutions have biases.
    """

    def __init__(self, channels: int, squeezed: int, act: type[nn.ReLU | nn.SiLU] = nn.ReLU) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.act = act(inplace=True)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        gate = self.excite(self.act(self.squeeze(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


def init_weights(model: nn.Module) -> None:
    """Set every weight so that training starts near a loss of ln(classes) and at once moves all layers.

    Convolutions are Kaiming normal over the fan-out (He et al. 2015, arXiv 1502.01852), batch norms 1 and 0. Linear
    layers are normal with the variance of torch's own start, 1/(3 · inputs): a smaller head starts nearer to
    ln(classes) but passes little gradient on. Measured on 8 epochs of the digits, validation accuracy with a standard
    deviation of 0.01 against this one: resnet20 69 % and 86 %, mobilenetv1 80 % and 89 %.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=(3 * module.in_features) ** -0.5)
            nn.init.zeros_(module.bias)


def start_from_zero(branch: nn.Module) -> None:
    """Zero the weight of a residual branch's last batch norm, so that a sum starts as its shortcut alone.

    Goyal et al. 2017, arXiv 1706.02677, §5.1. Call it after `init_weights`.
    """
    norms = [module for module in branch.modules() if isinstance(module, nn.BatchNorm2d)]
    nn.init.zeros_(norms[-1].weight)
