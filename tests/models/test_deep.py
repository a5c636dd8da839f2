"""The deep architecture against torch.nn, and its bad arguments."""

import numpy as np
import pytest
import torch

from flatminima.models import deep


@pytest.mark.parametrize("bias_input", [0.0, 1.0])
@pytest.mark.parametrize("depth", [2, 3, 5])
def test_forward_equals_torch_modules(depth, bias_input, rng):
    model = deep.Model(depth, bias_input)
    w, middle, v = deep.init(model, 4, 6, rng)
    has_bias = bias_input != 0
    layers = [torch.nn.Linear(4, 6, bias=has_bias)]
    layers += [torch.nn.Linear(6, 6, bias=False) for _ in range(depth - 2)]
    layers += [torch.nn.Linear(6, 1, bias=False)]
    with torch.no_grad():
        for layer, weights in zip(layers, (w[:4], *middle, v[:, None]), strict=True):
            layer.weight.copy_(torch.as_tensor(weights.T))
        if has_bias:
            layers[0].bias.copy_(torch.as_tensor(w[4]))
    modules = [m for layer in layers for m in (layer, torch.nn.ReLU())][:-1]
    x = rng.normal(size=(9, 4))
    f = torch.nn.Sequential(*modules)(torch.as_tensor(x, dtype=torch.float32))
    ours = deep.forward(model, w, middle, v, deep.inputs(model, x))
    np.testing.assert_allclose(ours, f[:, 0].detach().numpy(), atol=1e-6)


def test_init_has_the_stated_ranges(rng):
    w, middle, v = deep.init(deep.Model(), 25, 400, rng)
    assert w.shape == (26, 400) and middle.shape == (1, 400, 400)
    for a, bound in ((w, 0.2), (middle, 0.05), (v, 0.05)):
        assert np.abs(a).max() <= bound
        assert np.abs(a).max() > 0.98 * bound
        assert np.std(a) == pytest.approx(bound / 3**0.5, rel=0.1)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [((0, 3, 3), "d = 0"), ((3, 0, 3), "width = 0"), ((3, 3, 1), "depth = 1")],
)
def test_bad_sizes(sizes, message, rng):
    d, width, depth = sizes
    with pytest.raises(ValueError, match=f"{message}: allowed are"):
        deep.init(deep.Model(depth), d, width, rng)
