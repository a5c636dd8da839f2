"""The same training run as a user would write it: PyTorch and pytorch-optimizer."""

import numpy as np
import pytorch_optimizer
import torch

from flatminima.config import Config
from flatminima.data import sample_xor
from flatminima.train import State, example_order

NAME = f"PyTorch {torch.__version__}, pytorch-optimizer SAM"


class Net(torch.nn.Module):
    """The source's three architectures as ordinary modules."""

    def __init__(self, config: Config):
        super().__init__()
        dtype = getattr(torch, config.dtype)
        bias = config.architecture != "no_bias"
        self.first = torch.nn.Linear(config.d, config.width, bias=bias, dtype=dtype)
        self.second = torch.nn.Linear(config.width, 1, bias=False, dtype=dtype)
        self.eps = config.eps if config.architecture == "sim_ln" else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.first(x))
        if self.eps is not None:
            hidden = hidden / hidden.norm(dim=-1, keepdim=True).clamp(min=self.eps)
        return self.second(hidden)[:, 0]


class Loop:
    """A training loop of 1-SAM that can be gone on with."""

    def __init__(self, config: Config, start: State):
        self.config = config
        self.net = Net(config)
        self.step = start.step
        with torch.no_grad():
            first, second = start.params
            w = torch.as_tensor(first)
            self.net.first.weight.copy_(w[: config.d].T)
            if self.net.first.bias is not None:
                self.net.first.bias.copy_(w[config.d])
            self.net.second.weight.copy_(torch.as_tensor(second)[None])
        data = sample_xor(config.n, config.d, config.data_seed)
        dtype = getattr(torch, config.dtype)
        self.x = torch.as_tensor(data.x, dtype=dtype)
        self.y = torch.as_tensor(data.y, dtype=dtype)
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

    def parameters(self) -> tuple[np.ndarray, np.ndarray]:
        """First layer, input-major, and second layer."""
        rows = [self.net.first.weight.detach().numpy().T]
        if self.net.first.bias is not None:
            rows.append(self.net.first.bias.detach().numpy()[None])
        return np.vstack(rows), self.net.second.weight.detach().numpy()[0]
