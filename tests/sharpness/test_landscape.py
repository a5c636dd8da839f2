"""A torch model as a function of one flat vector."""

import pytest
import torch
from torch import nn

from flatminima.sharpness.landscape import landscape, surface


def model(norm: bool = False) -> torch.nn.Sequential:
    torch.manual_seed(0)
    middle = [torch.nn.BatchNorm1d(4)] if norm else []
    return torch.nn.Sequential(
        torch.nn.Linear(3, 4), *middle, torch.nn.Tanh(), torch.nn.Linear(4, 2)
    )


def data(n: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    x = torch.randn(n, 3, generator=g)
    return x, torch.randint(2, (n,), generator=g)


def test_loss_and_gradient_are_those_of_the_module():
    module, (x, y) = model(), data()
    at = landscape(module, x, y, "cross_entropy")
    module = module.double()
    expected = torch.nn.functional.cross_entropy(module(x.double()), y)
    expected.backward()
    gradient = torch.cat([p.grad.reshape(-1) for p in module.parameters()])
    assert float(at.loss()) == pytest.approx(expected.item(), rel=1e-14)
    torch.testing.assert_close(at.gradient(), gradient, rtol=1e-12, atol=1e-14)


def test_the_squared_loss_has_no_half_and_sums_outputs():
    module, (x, _) = model(), data()
    y = torch.ones(5, 2)
    at = landscape(module, x, y, "squared")
    f = module.double()(x.double())
    assert float(at.loss()) == pytest.approx(((f - 1) ** 2).sum().item() / 5)


def test_a_single_output_may_lack_its_axis():
    module = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0))
    x, _ = data()
    at = landscape(module, x, torch.ones(5), "logistic")
    assert at.outputs().shape == (5, 1)
    f = module.double()(x.double())
    assert float(at.loss()) == pytest.approx(torch.log1p(torch.exp(-f)).mean().item())


def test_batch_norm_uses_what_it_has_run_over_and_the_module_stays_as_it_is():
    module, (x, y) = model(norm=True), data()
    module(x)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    at = landscape(module, x, y, "cross_entropy")
    at.loss(at.theta + 1)
    assert module.training
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.dtype == before[name].dtype
    expected = module.double().eval()(x.double())
    torch.testing.assert_close(at.outputs(), expected)


def test_frozen_parameters_are_constants():
    module, (x, y) = model(), data()
    module[0].bias.requires_grad_(False)
    at = landscape(module, x, y, "cross_entropy", frozen=["2.weight"])
    assert [name for name, _ in at.shapes] == ["0.weight", "2.bias"]
    assert at.size == 14
    torch.testing.assert_close(at.outputs(), module.double()(x.double()))


def test_a_subset_has_its_examples_and_the_same_point():
    at = landscape(model(), *data(), "cross_entropy")
    part = at.subset([0, 3])
    assert part.n == 2
    torch.testing.assert_close(part.losses(), at.losses()[[0, 3]])


def test_parameters_by_name_are_views_of_the_vector():
    at = landscape(model(), *data(), "cross_entropy")
    parts = at.split(at.theta)
    assert parts["0.weight"].shape == (4, 3)
    assert torch.equal(torch.cat([p.reshape(-1) for p in parts.values()]), at.theta)


def test_a_surface_is_the_function_itself():
    at = surface(lambda t: t[0] ** 2 * t[1], torch.tensor([3.0, 2.0]))
    assert float(at.loss()) == 18
    assert at.gradient().tolist() == [12, 9]
    assert float(at.at(torch.ones(2)).loss()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "hinge"}, "loss = 'hinge': must be one of"),
        ({"frozen": ["3.weight"]}, r"frozen = \['3.weight'\]: must be among"),
        ({"x": torch.ones(4, 3)}, "must have as many entries"),
        ({"frozen": ["0.weight", "0.bias", "2.weight", "2.bias"]}, "not frozen"),
        ({"frozen": "0.weight"}, "frozen = '0.weight': must be a list of names"),
        ({"y": torch.arange(5)}, "y: must be 5 classes from 0 to 1, not 0 to 4"),
        ({"y": torch.tensor([0, 1, -100, 0, 1])}, "not -100 to 1"),
        ({"y": torch.ones(5, 1, dtype=int)}, r"of shape \(5, 1\)"),
        ({"y": torch.ones(5)}, "not floats of shape"),
        ({"y": torch.ones(5, 3), "loss": "squared"}, "must have 5 x 2 numbers, not 15"),
        ({"loss": "logistic"}, "has 2 outputs, and the logistic loss needs 1"),
        ({"loss": nn.CrossEntropyLoss()}, r"one number an example.*not \(\)"),
        ({"loss": nn.CrossEntropyLoss(reduction="sum")}, "reduction='none'"),
        ({"loss": nn.MSELoss(reduction="none"), "y": torch.ones(5, 2)}, r"\(2, 2\)"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    x, y = data()
    loss = {"x": x, "y": y, "loss": "cross_entropy"} | arguments
    with pytest.raises(ValueError, match=message):
        landscape(model(), loss.pop("x"), loss.pop("y"), loss.pop("loss"), **loss)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.ones(5, 1), r"of shape \(5, 1\)"),
        (torch.tensor([0.0, 1, 1, 0, 1]), r"not \[0.0, 1.0\]"),
    ],
)
def test_labels_of_the_logistic_loss_are_signs(y, message):
    with pytest.raises(ValueError, match=message):
        landscape(torch.nn.Linear(3, 1), data()[0], y, "logistic")


def test_a_loss_that_spreads_over_pairs_of_examples_is_refused():
    """Outputs (n,) and targets (n,), as users have them: the outputs become (n, 1)."""
    module = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0))
    with pytest.raises(ValueError, match=r"not \(2, 2\) for outputs of shape \(2, 1\)"):
        landscape(module, data()[0], torch.ones(5), nn.MSELoss(reduction="none"))


class Named(nn.Module):
    """Gives its outputs by name, or for every position of the input."""

    def __init__(self, by_name):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.by_name = by_name

    def forward(self, x):
        f = self.layer(x)
        return {"logits": f} if self.by_name else f[:, None]


@pytest.mark.parametrize(
    ("by_name", "message"),
    [
        (True, "must give a tensor of outputs, not dict"),
        (False, r"not \(2, 1, 2\) for 2 inputs"),
    ],
)
def test_outputs_are_a_matrix(by_name, message):
    with pytest.raises(ValueError, match=message):
        landscape(Named(by_name), *data(), "cross_entropy")


def test_classes_may_be_shares():
    x, y = data()
    shares = torch.nn.functional.one_hot(y, 2).double()
    plain, soft = (landscape(model(), x, each, "cross_entropy") for each in (y, shares))
    assert float(soft.loss()) == pytest.approx(float(plain.loss()), rel=1e-14)


def test_a_surface_has_one_example_without_inputs():
    at = surface(lambda t: t.sum(), torch.ones(3))
    assert (at.n, at.x.numel(), at.size) == (1, 0, 3)
    assert at.outputs().shape == (1, 1)
    assert list(at.split(at.theta)) == ["theta"]
