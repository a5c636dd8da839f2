"""A network of images in training, on its device."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from flatminima.optim.sam import statistics_kept
from flatminima.optim.wrapper import Ascent, Closure, SharpnessAware
from flatminima.runs.images import around, measures
from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.optimisers import kept, optimiser, restore
from flatminima.runs.images.order import batches
from flatminima.runs.images.problem import data, network

BEFORE = "before."
WARM_UP = 3
"""Passes before a GPU's work is recorded, in which libraries choose and allocate."""


@contextmanager
def numerics(config: ImageConfig) -> Iterator[None]:
    """One thread, and of a GPU's ways the ones that give the same bits every time.

    Raises:
        RuntimeError: if the config asks for a GPU and there is none.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            "device = 'cuda': torch finds no GPU here; take device = 'cpu', or a torch "
            "that was built with CUDA on a machine that has one"
        )
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = torch.get_num_threads(), cudnn.deterministic, cudnn.benchmark
    coarse = cudnn.allow_tf32, matmul.allow_tf32
    torch.set_num_threads(1)
    cudnn.deterministic, cudnn.benchmark = True, False
    cudnn.allow_tf32 = matmul.allow_tf32 = config.precision == "tf32"
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        _, cudnn.deterministic, cudnn.benchmark = before
        cudnn.allow_tf32, matmul.allow_tf32 = coarse


class Recorded(NamedTuple):
    """The work of an update's passes on a GPU, and the gradients that it leaves."""

    graph: torch.cuda.CUDAGraph
    gradients: list[Tensor | None]


class Descent:
    """A network, its images and its optimiser, changed in place by updates.

    Attributes:
        config: the run.
        step: updates done.
        reached_at: updates, interpolated, at which the target was reached; NaN before.
        before: weights and buffers at the last look at the loss; None if it was left
            out.
        at: updates done by the weights that the network has now: `step`, but for
            `as_before`.
    """

    def __init__(
        self, config: ImageConfig, arrays: Mapping[str, np.ndarray], step: int
    ):
        """Take up a state: weights, and what else `arrays` gave, if there is any."""
        self.config, self.step, self.at = config, step, step
        device, problem = torch.device(config.device), data(config)
        self.x, self.y = problem.x.to(device), problem.y.to(device)
        self.test_x, self.test_y = problem.test_x.to(device), problem.test_y.to(device)
        net = network(config, arrays).to(device).train()
        for parameter in net.parameters():
            if parameter.dim() == 4:
                last = parameter.data.contiguous(memory_format=torch.channels_last)
                parameter.data = last
        self.net = net
        self.parameters = list(net.parameters())
        self.names = {p: name for name, p in net.named_parameters()}
        self.optimiser = optimiser(config, self.parameters)
        restore(self.optimiser, self.names, arrays)
        ascent = Ascent(
            config.rho, num_steps=config.ascent_steps, second_order=config.second_order
        )
        self.sharp = SharpnessAware(self.optimiser, net, ascent)
        self.plain = SharpnessAware(self.optimiser, net, Ascent(0.0))
        self.total = torch.zeros((), dtype=torch.float64, device=device)
        self.count = int(arrays.get("recent_steps", 0))
        self.total += float(arrays.get("recent_losses", 0.0))
        self.reached_at = float(arrays.get("reached_at", np.nan))
        self.before: dict[str, Tensor] | None = None
        self.before_at = int(arrays.get("before_step", 0))
        own = self.net.state_dict()
        if f"{BEFORE}{next(iter(own))}" in arrays:
            self.before = {
                name: torch.tensor(arrays[f"{BEFORE}{name}"]).to(device) for name in own
            }
        self.index = torch.zeros(config.batch, dtype=torch.int64, device=device)
        count = sum(p.numel() for p in self.parameters)
        self.direction = torch.zeros(count, device=device)
        self.recorded: dict[bool, Recorded] = {}
        self.recordable = config.device == "cuda"

    @property
    def reached(self) -> bool:
        """Whether the target loss has been reached."""
        return not np.isnan(self.reached_at)

    def walk(self, stop: int) -> None:
        """Updates until so many are done in all."""
        config = self.config
        order = torch.from_numpy(batches(config, self.step, stop))
        (group,) = self.optimiser.param_groups
        for step, chosen in enumerate(order.to(self.index.device), self.step):
            perturbed = config.perturbs(step)
            self.index.copy_(chosen)
            if perturbed and config.perturbed == "random":
                self._draw(step)
            if self.recordable and perturbed not in self.recorded:
                self._record(perturbed)
            if perturbed in self.recorded:
                recorded = self.recorded[perturbed]
                recorded.graph.replay()
                for p, gradient in zip(
                    self.parameters, recorded.gradients, strict=True
                ):
                    p.grad = gradient
            else:
                self._passes(perturbed)
            group["lr"] = config.lr_at(step)
            self.optimiser.step()
        self.count += stop - self.step
        self.step = self.at = stop

    def _passes(self, perturbed: bool) -> None:
        """The gradient of an update in place; its batch's loss joins the total."""
        config = self.config
        x, y = self.x.index_select(0, self.index), self.y.index_select(0, self.index)
        if not perturbed:
            self.total += self.plain.gradient(self._loss(x, y))
        elif config.perturbed == "weights":
            whole = self._loss(self.x, self.y) if config.m == config.n else None
            size = len(x) if whole or not config.m else config.m
            parts = zip(x.split(size), y.split(size), strict=True)
            closures = [self._loss(*part) for part in parts]
            self.total += self.sharp.gradient(*closures, ascend_on=whole)
        elif config.perturbed == "random":
            self.total += self._gradient_beside(x, y)
        else:
            self.total += self._gradient_of_moved(x, y)

    def _loss(self, x: Tensor, y: Tensor) -> Closure:
        x = x.contiguous(memory_format=torch.channels_last)
        return lambda: nn.functional.cross_entropy(self.net(x), y)

    def _gradient_beside(self, x: Tensor, y: Tensor) -> Float[Tensor, ""]:
        """The gradient at w + rho e, e the direction; returns the loss at w."""
        with torch.no_grad():
            loss = self._loss(x, y)()
            old = [p.detach().clone() for p in self.parameters]
            parts = self.direction.split([p.numel() for p in self.parameters])
            for p, part in zip(self.parameters, parts, strict=True):
                p.add_(part.view(p.shape), alpha=self.config.rho)
        with statistics_kept(self.net):
            self.plain.gradient(self._loss(x, y))
        with torch.no_grad():
            for p, value in zip(self.parameters, old, strict=True):
                p.copy_(value)
        return loss

    def _gradient_of_moved(self, x: Tensor, y: Tensor) -> Float[Tensor, ""]:
        """The gradient of the loss of moved images; returns that of the images."""
        x = x.detach().requires_grad_()
        loss = self._loss(x, y)()
        (gradient,) = torch.autograd.grad(loss, x)
        moved = x.detach() + self.config.rho * measures.normalised(gradient)
        with statistics_kept(self.net):
            self.plain.gradient(self._loss(moved, y))
        return loss.detach()

    def _draw(self, step: int) -> None:
        """A direction of this step's own, uniform on the sphere."""
        seed = np.random.SeedSequence([self.config.init_seed, step])
        device = self.direction.device
        draws = torch.Generator(device).manual_seed(int(seed.generate_state(1)[0]))
        self.direction.normal_(generator=draws)
        self.direction /= self.direction.norm()

    def _record(self, perturbed: bool) -> None:
        """Record the passes of an update as one graph of a GPU's work.

        A step of these networks is hundreds of small pieces of work, which a GPU does
        faster than Python can ask for them.
        """
        moved = [*self.net.buffers(), self.total]
        saved = [tensor.clone() for tensor in moved]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self._passes(perturbed)
        torch.cuda.current_stream().wait_stream(aside)
        for tensor, old in zip(moved, saved, strict=True):
            tensor.copy_(old)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._passes(perturbed)
        except RuntimeError as error:  # the same work is done without it, only slower
            warnings.warn(f"a GPU's work cannot be recorded: {error}", stacklevel=2)
            self.recordable = False
        else:
            gradients = [p.grad for p in self.parameters]
            self.recorded[perturbed] = Recorded(graph, gradients)

    def recent_loss(self) -> float:
        """Mean loss of the batches since the last call."""
        mean = float(self.total) / self.count
        self.total.zero_()
        self.count = 0
        return mean

    def finite(self) -> bool:
        """Whether all weights are."""
        return all(bool(torch.isfinite(p).all()) for p in self.parameters)

    def train_loss(self) -> float:
        """The loss over the training set, in evaluation mode."""
        self.net.eval()
        loss, _ = measures.loss_and_accuracy(self.net, self.x, self.y)
        self.net.train()
        return loss

    def performance(self) -> dict[str, float]:
        """Losses and accuracies, in evaluation mode."""
        self.net.eval()
        found = measures.performance(
            self.net, (self.x, self.y), (self.test_x, self.test_y)
        )
        self.net.train()
        return found

    def sharpness(self) -> dict[str, float]:
        """The columns of `measures.SHARPNESS`, where the config asks for them."""
        if self.config.measured != "report":
            return {}
        return measures.sharpness(self.config, self.net, self.x, self.y)

    def around(self) -> dict[str, float]:
        """The columns of `around.COLUMNS`, where the config asks for them."""
        if self.config.measured != "around":
            return {}
        train, test = (self.x, self.y), (self.test_x, self.test_y)
        return around.columns(self.config, self.net, train, test)

    def remember(self) -> None:
        """Keep the weights and buffers as they are now, for the next look."""
        own = self.net.state_dict()
        self.before = {name: value.clone() for name, value in own.items()}
        self.before_at = self.step

    def forget(self) -> None:
        """Keep none."""
        self.before = None

    @contextmanager
    def as_before(self) -> Iterator[None]:
        """The network as it was when it was remembered."""
        assert self.before is not None
        now = {name: value.clone() for name, value in self.net.state_dict().items()}
        self.net.load_state_dict(self.before)
        self.at = self.before_at
        try:
            yield
        finally:
            self.net.load_state_dict(now)
            self.at = self.step

    def weights(self) -> dict[str, np.ndarray]:
        """Weights and buffers by name."""
        own = self.net.state_dict()
        return {name: _array(value) for name, value in own.items()}

    def arrays(self) -> dict[str, np.ndarray]:
        """All that is needed to go on."""
        arrays = self.weights() | kept(self.optimiser, self.names)
        arrays["recent_losses"] = _array(self.total)
        arrays["recent_steps"] = np.array(self.count)
        arrays["reached_at"] = np.array(self.reached_at)
        if self.before is not None and not self.reached:
            arrays |= {
                f"{BEFORE}{n}": _array(value) for n, value in self.before.items()
            }
            arrays["before_step"] = np.array(self.before_at)
        return arrays


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().numpy().copy()
