"""Pictures of a landscape: closed forms, a plain loop, and what they are blind to."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.sharpness.landscape import Landscape, landscape, surface
from flatminima.sharpness.slices import (
    STILL,
    Slice,
    by_filter,
    curvature_along,
    directions,
    expected_curvature,
    filters,
    plane,
)

GRID = np.linspace(-1, 1, 5)


def network(seed: int, norm: bool = False) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    middle = [torch.nn.BatchNorm1d(5)] if norm else []
    return torch.nn.Sequential(
        torch.nn.Linear(3, 5), *middle, torch.nn.ReLU(), torch.nn.Linear(5, 2)
    ).double()


def scene(seed: int = 0, module: torch.nn.Module | None = None) -> Landscape:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(20, 3, generator=g, dtype=torch.float64)
    y = torch.randint(2, (20,), generator=g)
    return landscape(module or network(seed), x, y, "cross_entropy")


def hessian(at: Landscape) -> torch.Tensor:
    return torch.func.hessian(at.loss)(at.theta)


def test_the_slice_of_a_quadratic_is_the_quadratic():
    g = torch.Generator().manual_seed(0)
    root = torch.randn(6, 6, generator=g, dtype=torch.float64)
    matrix, linear = root @ root.T, torch.randn(6, generator=g, dtype=torch.float64)
    centre = torch.randn(6, generator=g, dtype=torch.float64)
    at = surface(lambda theta: theta @ matrix @ theta / 2 + linear @ theta, centre)
    axes = directions(at, 3, normalised=False)
    found = plane(at, axes, GRID, GRID[:-1])
    slope, inner = axes @ (matrix @ centre + linear), axes @ matrix @ axes.T
    for i, y in enumerate(GRID[:-1]):
        for j, x in enumerate(GRID):
            z = torch.tensor([x, y])
            expected = at.loss() + z @ slope + z @ inner @ z / 2
            assert found.loss[i, j] == pytest.approx(float(expected), rel=1e-12)
    curvature = curvature_along(at, axes[0])
    assert float(curvature) == pytest.approx(float(inner[0, 0]), rel=1e-12)


@pytest.mark.parametrize("norm", [False, True])
def test_the_grid_is_what_the_module_gives_point_by_point(norm):
    module = network(1, norm)
    at = scene(1, module)
    axes = directions(at, 0)
    found = plane(at, axes, GRID, GRID)
    module.eval()
    for i, y in enumerate(GRID):
        for j, x in enumerate(GRID):
            theta = at.theta + x * axes[0] + y * axes[1]
            torch.nn.utils.vector_to_parameters(theta, module.parameters())
            f = module(at.x)
            expected = torch.nn.functional.cross_entropy(f, at.y).item()
            wrong = (f.argmax(1) != at.y).double().mean().item()
            assert found.loss[i, j] == pytest.approx(expected, rel=1e-12)
            assert found.error[i, j] == wrong


def test_a_single_output_is_wrong_by_its_sign():
    g = torch.Generator().manual_seed(0)
    module = torch.nn.Linear(3, 1, bias=False)
    x = torch.randn(8, 3, generator=g)
    y = torch.tensor([1.0, -1.0] * 4)
    at = landscape(module, x, y, "logistic")
    found = plane(at, directions(at, 0), np.zeros(1), np.zeros(1))
    assert found.error[0, 0] == float((at.outputs()[:, 0] * y <= 0).double().mean())


def test_every_filter_of_a_direction_is_as_long_as_that_of_the_weights():
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Flatten(),
        torch.nn.Linear(3, 4),
    )  # fmt: skip
    at = landscape(
        module, torch.randn(2, 2, 3, 3), torch.tensor([0, 1]), "cross_entropy"
    )
    group = filters(at)
    assert int(group.max()) + 1 == 3 + 4
    kernel = module[0].weight.detach().double()
    first = directions(at, 5, 1)[0]
    lengths = by_filter(first**2, group).sqrt()
    torch.testing.assert_close(lengths[:3], kernel.flatten(1).norm(dim=1))
    moved = {name: bool(part.any()) for name, part in at.split(first).items()}
    assert moved == {
        **dict.fromkeys(["0.weight", "3.weight"], True),
        **dict.fromkeys(["0.bias", "1.weight", "1.bias", "3.bias"], False),
    }
    assert (group == STILL).sum() == 3 + 3 + 3 + 4


@given(seed=st.integers(0, 99), log_alpha=st.floats(-3, 3))
@settings(max_examples=30, deadline=None)
def test_rescaling_homogeneous_layers_does_not_change_the_picture(seed, log_alpha):
    """One factor a layer: Dinh et al.'s rescaling, which changes any Hessian."""
    alpha = float(np.exp(log_alpha))
    module = network(seed)
    before = scene(seed, module)
    with torch.no_grad():
        module[0].weight *= alpha
        module[0].bias *= alpha
        module[2].weight /= alpha
    after = scene(seed, module)
    pictures = [plane(at, directions(at, 7), GRID, GRID) for at in (before, after)]
    np.testing.assert_allclose(pictures[1].loss, pictures[0].loss, rtol=1e-9)


def test_rescaling_single_units_does_change_the_picture():
    """The next layer's filters mix the units, and only their length is put right."""
    module = network(0)
    before = scene(0, module)
    alpha = torch.logspace(-1, 1, 5, dtype=torch.float64)
    with torch.no_grad():
        module[0].weight *= alpha[:, None]
        module[0].bias *= alpha
        module[2].weight /= alpha
    after = scene(0, module)
    torch.testing.assert_close(after.loss(), before.loss())
    pictures = [plane(at, directions(at, 7), GRID, GRID) for at in (before, after)]
    assert abs(pictures[1].loss / pictures[0].loss - 1).max() > 0.1


def test_curvature_is_that_of_the_dense_hessian():
    at = scene(2)
    d = directions(at, 0, 1)[0]
    expected = float(d @ hessian(at) @ d)
    assert float(curvature_along(at, d)) == pytest.approx(expected, rel=1e-10)


def test_mean_curvature_over_planes_is_the_weighted_trace():
    at = scene(4)
    dense = hessian(at)
    many = directions(at, 1, 4000)
    values = torch.einsum("ij,jk,ik->i", many, dense, many)
    error = float(values.std() / len(values) ** 0.5)
    expected = expected_curvature(at, dense.diagonal())
    assert abs(float(values.mean()) - expected) < 3 * error
    assert error < 0.1 * expected


def test_random_directions_see_the_mean_eigenvalue():
    at = scene(5)
    dense = hessian(at)
    many = directions(at, 1, 4000, normalised=False)
    values = torch.einsum("ij,jk,ik->i", many, dense, many)
    error = float(values.std() / len(values) ** 0.5)
    assert abs(float(values.mean()) - float(dense.trace()) / at.size) < 3 * error


def test_draws_depend_on_the_seed_alone():
    at = scene(0)
    assert torch.equal(directions(at, 3), directions(at, 3))
    assert not torch.equal(directions(at, 3), directions(at, 4))


def test_numbers_of_a_picture():
    x = np.linspace(-2, 2, 41)
    waves = np.sin(np.pi * x) ** 2
    loss = waves[:, None] + waves[None, :]
    found = Slice(x, x, loss, loss)
    assert found.pits == 9  # zeros at -1, 0, 1 inside, on both axes
    assert found.centre == pytest.approx(0)
    assert found.height == pytest.approx(loss.mean())
    assert found.share_below(1.0) == pytest.approx(float((loss < 1).mean()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda at: directions(at, -1), "seed = -1"),
        (lambda at: directions(at, 0, 0), "count = 0"),
        (lambda at: plane(at, at.theta[None], GRID, GRID), "axes"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(scene())


def test_a_point_without_filters_has_no_normalised_directions():
    at = surface(lambda theta: theta.sum(), torch.ones(3))
    with pytest.raises(ValueError, match="no parameter of two axes"):
        directions(at, 0)


@pytest.mark.parametrize("neighbour", [(i, j) for i in range(3) for j in range(3)])
def test_a_pit_is_below_all_of_its_eight_neighbours(neighbour):
    loss = np.ones((3, 3))
    loss[1, 1] = 0
    grid = np.arange(3.0)
    assert Slice(grid, grid, loss, loss).pits == 1
    loss[neighbour] = -1  # of the point itself, which is then still the lowest
    assert Slice(grid, grid, loss, loss).pits == (neighbour == (1, 1))


def test_two_directions_of_filter_norm_unless_told():
    at = scene(0)
    found = directions(at, 3)
    assert torch.equal(found, directions(at, 3, 2, normalised=True))
    assert found.shape == (2, at.size)
