"""The same training run as a user would write it: PyTorch and pytorch-optimizer."""

import numpy as np
import pytorch_optimizer
import torch

from flatminima.data.xor import sample_xor
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.order import example_order
from flatminima.runs.mlp.problem import State

NAME = f"PyTorch {torch.__version__}, pytorch-optimizer SAM"


class Net(torch.nn.Module):
    """The source's architectures as ordinary modules.

    Args:
        config: the run.
        train: training inputs, whose statistics Sim-BN uses.
    """

    def __init__(self, config: Config, train: torch.Tensor):
        super().__init__()
        dtype, width = train.dtype, config.width
        self.architecture, self.eps = config.architecture, config.eps
        has_bias = config.architecture != "no_bias"
        self.first = torch.nn.Linear(config.d, width, bias=has_bias, dtype=dtype)
        squares = config.depth - 2 if config.architecture == "deep" else 0
        self.squares = [
            torch.nn.Linear(width, width, bias=False, dtype=dtype)
            for _ in range(squares)
        ]
        self.middle = torch.nn.ModuleList(self.squares)
        if config.architecture == "sim_bn":
            self.gamma = torch.nn.Parameter(torch.empty(width, dtype=dtype))
        self.second = torch.nn.Linear(width, 1, bias=False, dtype=dtype)
        self.train_inputs = train

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x)
        if self.architecture == "softplus":
            return self.second(torch.nn.functional.softplus(hidden))[:, 0]
        hidden = torch.relu(hidden)
        if self.architecture == "sim_ln":
            hidden = hidden / hidden.norm(dim=-1, keepdim=True).clamp(min=self.eps)
        if self.architecture == "sim_bn":
            square = torch.relu(self.first(self.train_inputs)).square().mean(0)
            # a dead unit is 0 / tiny = 0, and so is its gradient
            sigma = square.clamp(min=torch.finfo(square.dtype).tiny).sqrt()
            hidden = self.gamma * hidden / sigma
        for layer in self.middle:
            hidden = torch.relu(layer(hidden))
        return self.second(hidden)[:, 0]

    @torch.no_grad()
    def set(self, params: tuple[np.ndarray, ...]) -> None:
        """Take the engine's input-major parameters."""
        first, *between, second = map(torch.as_tensor, params)
        self.first.weight.copy_(first[: self.first.in_features].T)
        if self.first.bias is not None:
            self.first.bias.copy_(first[-1])
        if self.architecture == "sim_bn":
            self.gamma.copy_(between[0])
        for k, layer in enumerate(self.squares):
            layer.weight.copy_(between[0][k].T)
        self.second.weight.copy_(second[None])

    @torch.no_grad()
    def get(self) -> tuple[np.ndarray, ...]:
        """The parameters, input-major, in the engine's order."""
        rows = [self.first.weight.numpy().T]
        if self.first.bias is not None:
            rows.append(self.first.bias.numpy()[None])
        between = []
        if self.architecture == "sim_bn":
            between = [self.gamma.numpy()]
        if self.architecture == "deep":
            square = [layer.weight.numpy().T for layer in self.squares]
            width = self.second.in_features
            between = [np.array(square).reshape(-1, width, width)]
        return np.vstack(rows), *between, self.second.weight.numpy()[0]


class Loop:
    """A training loop of 1-SAM that can be gone on with."""

    def __init__(self, config: Config, start: State):
        self.config = config
        self.step = start.step
        data = sample_xor(config.n, config.d, config.data_seed)
        dtype = getattr(torch, config.dtype)
        self.x = torch.as_tensor(data.x, dtype=dtype)
        self.y = torch.as_tensor(data.y, dtype=dtype)
        self.net = Net(config, self.x)
        self.net.set(start.params)
        self.optimizer = pytorch_optimizer.SAM(
            self.net.parameters(), torch.optim.SGD, rho=config.rho, lr=config.lr
        )

    def run(self, num_steps: int) -> None:
        """Take steps, in the engine's order of the examples."""
        stop = self.step + num_steps
        for example in example_order(self.config, self.step, stop).tolist():
            x, y = self.x[example : example + 1], self.y[example : example + 1]

            def closure(x=x, y=y):
                self.optimizer.zero_grad()
                loss = ((self.net(x) - y) ** 2).mean()
                loss.backward()
                return loss

            closure()
            self.optimizer.step(closure)
        self.step = stop
