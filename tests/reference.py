"""Every training rule written plainly in PyTorch, to test the engine against.

Nothing here uses the engine's formulas: modules hold W1, b1 and W2 width-major as
in the source, autograd differentiates, torch.optim.SGD updates. Only the order of
the examples and the coins of label noise, which no formula fixes, are taken from the
engine.
"""

import numpy as np
import torch
from torch.nn.functional import softplus

from flatminima.data.load import train_and_test
from flatminima.runs.kind import State
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.order import batches, moved_up


class Net(torch.nn.Module):
    """2-MLP-No-Bias, 2-MLP-Bias, 2-MLP-Sim-LN or softplus with bias in float64."""

    def __init__(
        self,
        architecture: str,
        d: int,
        width: int,
        eps: float = 1e-4,
        bias_input: float = 1.0,
        depth: int = 2,
        train: torch.Tensor | None = None,
        output_scale: float = 1.0,
    ):
        super().__init__()
        middles = [
            torch.nn.Linear(width, width, bias=False, dtype=torch.float64)
            for _ in range(depth - 2)
        ]
        self.middles = torch.nn.ModuleList(middles)
        self.gamma = None
        if architecture == "sim_bn":
            self.gamma = torch.nn.Parameter(torch.ones(width, dtype=torch.float64))
        self.train_x = train
        has_bias = architecture != "no_bias"
        self.first = torch.nn.Linear(d, width, bias=has_bias, dtype=torch.float64)
        self.second = torch.nn.Linear(width, 1, bias=False, dtype=torch.float64)
        self.normalised = architecture == "sim_ln"
        self.smooth = architecture == "softplus"
        self.eps = eps
        self.bias_input = bias_input
        self.output_scale = output_scale
        self.pattern = None  # of the hidden units, where it is held

    def hidden(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs of the first layer."""
        hidden = x @ self.first.weight.T
        if self.first.bias is not None:
            hidden = hidden + self.bias_input * self.first.bias
        if self.pattern is not None:
            return hidden * self.pattern
        # torch's softplus is linear beyond its threshold
        return softplus(hidden, threshold=500) if self.smooth else hidden.relu()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.hidden(x)
        for middle in self.middles:
            hidden = middle(hidden).relu()
        if self.gamma is not None:
            square = (self.hidden(self.train_x) ** 2).mean(0)
            live = square > 0
            hidden = hidden * live * self.gamma / torch.where(live, square, 1.0).sqrt()
        if self.normalised:
            norm = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True)
            hidden = hidden / norm.clamp(min=self.eps)
        return self.output_scale * self.second(hidden).squeeze(-1)

    @torch.no_grad()
    def set(self, w: np.ndarray, *rest: np.ndarray) -> "Net":
        """Take the engine's input-major parameters."""
        *between, v = rest
        d = self.first.in_features
        self.first.weight.copy_(torch.as_tensor(w[:d].T))
        if self.first.bias is not None:
            self.first.bias.copy_(torch.as_tensor(w[d]))
        if self.gamma is not None:
            self.gamma.copy_(torch.as_tensor(between[0]))
        elif between:
            for middle, weights in zip(self.middles, between[0], strict=True):
                middle.weight.copy_(torch.as_tensor(weights.T))
        self.second.weight.copy_(torch.as_tensor(v)[None])
        return self

    def get(self) -> tuple[np.ndarray, ...]:
        """The parameters, input-major as in the engine."""
        rows = [self.first.weight.detach().numpy().T]
        if self.first.bias is not None:
            rows.append(self.first.bias.detach().numpy()[None])
        w, v = np.vstack(rows), self.second.weight.detach().numpy()[0].copy()
        if self.gamma is not None:
            return w, self.gamma.detach().numpy().copy(), v
        if len(self.middles):
            middle = [m.weight.detach().numpy().T for m in self.middles]
            return w, np.stack(middle), v
        return w, v


def logistic_loss(smoothing: float):
    """Cross entropy of the classes -1 and 1, the other one with weight `smoothing`."""

    def loss(net: Net, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        f = net(x)
        log_p = torch.log_softmax(torch.stack([torch.zeros_like(f), f], dim=-1), dim=-1)
        true = ((y + 1) / 2).long()[:, None]
        right = log_p.gather(-1, true)[:, 0]
        wrong = log_p.gather(-1, 1 - true)[:, 0]
        return -((1 - smoothing) * right + smoothing * wrong).mean()

    return loss


def loss_of(config: Config):
    """The loss of a config, a function of network, inputs and labels."""
    if config.loss == "logistic":
        return logistic_loss(config.label_smoothing)
    return mean_squared_error


def mean_squared_error(net: Net, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The loss of the source: a mean, without 1/2."""
    return ((net(x) - y) ** 2).mean()


def net_of(config: Config, *params: np.ndarray) -> Net:
    """The network of a config at given parameters."""
    net = Net(
        *(config.architecture, config.d, config.width, config.eps, config.bias_input),
        config.depth if config.architecture == "deep" else 2,
        training_set(config)[0],
        config.output_scale,
    )
    return net.set(*(np.asarray(p, np.float64) for p in params))


def training_set(config: Config) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and labels of a config."""
    data, _ = train_and_test(
        config.data, config.n, config.d, config.data_seed, config.label_noise
    )
    return torch.as_tensor(data.x), torch.as_tensor(data.y)


def gradients(
    loss, net: Net, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Gradient of the loss for every parameter."""
    return torch.autograd.grad(loss(net, x, y), list(net.parameters()))


def ascend(net: Net, gradient: tuple[torch.Tensor, ...], rho: float) -> None:
    """theta <- theta + rho grad / ||grad||; stay where the gradient is zero."""
    norm = torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradient]))
    if norm > 0:
        for p, g in zip(net.parameters(), gradient, strict=True):
            p.data += rho * g / norm


def descend(
    net: Net,
    gradient: tuple[torch.Tensor, ...],
    lr: float,
    weight_decay: float,
    bias_rate: float = 1.0,
) -> None:
    """torch.optim.SGD without momentum: theta <- theta - lr (grad + wd theta).

    The gradient of the first layer's bias is multiplied by `bias_rate`.
    """
    for p, g in zip(net.parameters(), gradient, strict=True):
        rate = bias_rate if p is net.first.bias else 1.0
        p.data -= lr * (rate * g + weight_decay * p.data)


def project(net: Net, radius: float) -> None:
    """Bring the first layer, bias included, to a given Frobenius norm."""
    first = list(net.first.parameters())
    norm = torch.linalg.vector_norm(torch.cat([p.data.flatten() for p in first]))
    for p in first:
        p.data *= radius / norm


def train(config: Config, start: State, num_steps: int, at: set[int]) -> dict:
    """Take steps from `start`; returns {step: parameters} for the steps in `at`."""
    net = net_of(config, *start.params)
    x, y = training_set(config)
    loss = loss_of(config)
    order = batches(config, start.step, start.step + num_steps)
    up = torch.as_tensor(moved_up(config, start.step, start.step + num_steps))
    seen = {}
    for step, batch in enumerate(order, start.step + 1):
        labels = y[batch] + config.step_noise * (2 * up[step - start.step - 1] - 1)
        gradient = gradients(loss, net, x[batch], labels)
        lr, rho, _ = config.rates(step - 1)
        if rho > 0:
            before = [p.data.clone() for p in net.parameters()]
            if config.ascent == "frozen":
                net.pattern = (net.hidden(x[batch]) > 0).double()
            ascend(net, gradient, rho)
            gradient = gradients(loss, net, x[batch], labels)
            net.pattern = None
            for p, old in zip(net.parameters(), before, strict=True):
                p.data = old
        descend(net, gradient, lr, config.weight_decay, config.bias_rate)
        if config.radius > 0:
            project(net, config.radius)
        if step in at:
            seen[step] = net.get()
    return seen
