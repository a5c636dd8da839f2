"""Every way to perturb an update, against plain loops; schedules, noise, phases."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from flatminima.data.images.image_set import CLASSES
from flatminima.runs import loop
from flatminima.runs.images import train
from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.descent import Descent
from flatminima.runs.images.order import batches
from flatminima.runs.images.problem import data, initial_arrays, relabelled

SMALL = {
    **{"n": 60, "test_n": 30, "size": 8, "width": 4, "batch": 12, "norm": "group"},
    **{"num_epochs": 2, "sharpness_n": 20, "target_loss": 1e-3, "optimiser": "sgd"},
    **{"measured": "nothing", "lr": 0.05},
}


def config(**fields) -> ImageConfig:
    return ImageConfig(**(SMALL | fields))


def gradient_at(module, weights, x, y, create_graph=False):
    names = [name for name, _ in module.named_parameters()]

    def loss(*at):
        f = torch.func.functional_call(module, dict(zip(names, at, strict=True)), (x,))
        return nn.functional.cross_entropy(f, y)

    value = loss(*weights)
    return torch.autograd.grad(value, weights, create_graph=create_graph)


def moved(weights, gradient, rho):
    length = sum((g**2).sum() for g in gradient).sqrt()
    return [w + rho * g / length for w, g in zip(weights, gradient, strict=True)]


def one_step(chosen: ImageConfig, update) -> None:
    """One step of a run is -lr times an update that a plain function gives."""
    descent = Descent(chosen, initial_arrays(chosen), 0)
    before = [p.detach().clone() for p in descent.parameters]
    weights = [p.detach().clone().double().requires_grad_() for p in before]
    module = descent.net.double()
    problem = data(chosen)
    (index,) = torch.from_numpy(batches(chosen, 0, 1))
    x, y = problem.x.double(), problem.y
    expected = update(module, weights, x[index], y[index], x, y)
    fresh = Descent(chosen, initial_arrays(chosen), 0)
    fresh.walk(1)
    for now, old, step in zip(fresh.parameters, before, expected, strict=True):
        found = (old - now.detach()) / chosen.lr
        torch.testing.assert_close(found, step.float(), rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("m", [1, 4])
def test_micro_batches_ascend_each_by_itself(m):
    def update(module, weights, x, y, *_):
        parts = []
        for k in range(0, len(x), m):
            first = gradient_at(module, weights, x[k : k + m], y[k : k + m])
            there = moved(weights, first, 0.1)
            parts.append(gradient_at(module, there, x[k : k + m], y[k : k + m]))
        return [sum(each) / len(parts) for each in zip(*parts, strict=True)]

    one_step(config(rho=0.1, m=m), update)


def test_the_ascent_of_the_whole_training_set_serves_a_batch():
    def update(module, weights, x, y, all_x, all_y):
        there = moved(weights, gradient_at(module, weights, all_x, all_y), 0.1)
        return gradient_at(module, there, x, y)

    one_step(config(rho=0.1, m=60), update)


def test_an_ascent_of_several_steps_turns_with_the_gradient():
    def update(module, weights, x, y, *_):
        there = weights
        for _ in range(3):
            there = moved(there, gradient_at(module, there, x, y), 0.3 / 3)
        return gradient_at(module, there, x, y)

    one_step(config(rho=0.3, ascent_steps=3), update)


def test_second_order_is_the_gradient_of_the_loss_at_the_moved_weights():
    def update(module, weights, x, y, *_):
        first = gradient_at(module, weights, x, y, create_graph=True)
        there = moved(weights, first, 0.05)
        names = [name for name, _ in module.named_parameters()]
        f = torch.func.functional_call(
            module, dict(zip(names, there, strict=True)), (x,)
        )
        return torch.autograd.grad(nn.functional.cross_entropy(f, y), weights)

    one_step(config(rho=0.05, second_order=True), update)


def test_every_image_is_moved_along_its_own_gradient():
    def update(module, weights, x, y, *_):
        shifts = []
        for k in range(len(x)):
            image = x[k : k + 1].clone().requires_grad_()
            loss = nn.functional.cross_entropy(module(image), y[k : k + 1])
            (gradient,) = torch.autograd.grad(loss, image)
            shifts.append(0.7 * gradient / gradient.norm())
        return gradient_at(module, weights, x + torch.cat(shifts), y)

    one_step(config(rho=0.7, perturbed="inputs"), update)


def test_random_directions_have_the_length_and_differ_from_step_to_step():
    chosen = config(rho=0.4, perturbed="random")
    descent = Descent(chosen, initial_arrays(chosen), 0)
    directions = []
    for step in range(3):
        descent._draw(step)
        directions.append(descent.direction.clone())
    lengths = [float(direction.norm()) for direction in directions]
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)
    assert abs(float(directions[0] @ directions[1])) < 0.2
    descent._draw(0)
    assert torch.equal(descent.direction, directions[0])

    def update(module, weights, x, y, *_):
        parts = directions[0].double().split([w.numel() for w in weights])
        there = [
            w + 0.4 * part.view(w.shape) for w, part in zip(weights, parts, strict=True)
        ]
        return gradient_at(module, there, x, y)

    one_step(chosen, update)


def test_weight_decay_joins_the_gradient():
    def update(module, weights, x, y, *_):
        gradient = gradient_at(module, weights, x, y)
        return [g + 0.1 * w for g, w in zip(gradient, weights, strict=True)]

    one_step(config(weight_decay=0.1), update)


@pytest.mark.parametrize(
    "fields",
    [
        {"rho": 0.1, "m": 4, "net": "resnet"},
        {"rho": 0.1, "perturbed": "random", "schedule": "cosine"},
        {"rho": 0.5, "perturbed": "inputs", "label_noise": 0.3},
        {"rho": 0.1, "net": "vit", "norm": "layer", "optimiser": "adam", "lr": 0.001},
        {"rho": 0.1, "net": "mixer", "norm": "layer", "sam_from": 0.5, "rows_every": 1},
        {"measured": "around", "to_the_end": True, "rows_every": 1},
    ],
)
def test_pauses_change_nothing(fields, monkeypatch):
    chosen = config(**fields)
    whole = loop.run(chosen)
    monkeypatch.setattr(train, "steps_per_call", lambda config: 3)
    run = None
    while run is None or not run.finished:
        turns = iter([False, True])
        run = loop.proceed(chosen, run, lambda turns=turns: next(turns))
    for key, array in whole.arrays.items():
        np.testing.assert_array_equal(run.arrays[key], array, strict=True)
    pd.testing.assert_frame_equal(run.history, whole.history, check_exact=True)


def test_a_phase_of_sam_begins_and_ends_where_the_config_says():
    chosen = config(rho=0.1, sam_from=0.4, sam_until=1.2)  # 5 steps an epoch
    assert [chosen.perturbs(step) for step in range(8)] == [
        *[False] * 2,
        *[True] * 4,
        *[False] * 2,
    ]
    plain, sam = config(), config(rho=0.1)
    for phases, as_late in (
        ({"sam_from": 2.0}, plain),
        ({"sam_until": 2.0}, sam),
    ):
        found, expected = loop.run(config(rho=0.1, **phases)), loop.run(as_late)
        for key, array in expected.arrays.items():
            np.testing.assert_array_equal(found.arrays[key], array)


def test_cosine_falls_from_the_rate_to_nothing():
    chosen = config(schedule="cosine", lr=0.2, num_epochs=4)
    rates = [chosen.lr_at(step) for step in range(chosen.num_steps + 1)]
    assert rates[0] == 0.2
    assert rates[10] == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(0)
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.9])
def test_a_share_of_the_labels_becomes_another_class(share):
    y = np.arange(400) % CLASSES
    noisy = relabelled(y, share, 5)
    assert (noisy != y).sum() == round(share * 400)
    assert set(noisy) <= set(range(CLASSES))
    other = relabelled(y, share, 6)
    assert share == 0 or (noisy != other).any()
    # every other class is about as likely
    if share == 0.9:
        counts = np.bincount((noisy - y) % CLASSES, minlength=CLASSES)[1:]
        assert counts.min() > 20


def test_label_noise_leaves_the_images_and_the_test_set():
    clean, noisy = data(config()), data(config(label_noise=0.5))
    assert torch.equal(clean.x, noisy.x)
    assert torch.equal(clean.test_y, noisy.test_y)
    assert int((clean.y != noisy.y).sum()) == 30


def test_rows_of_accuracies_come_as_often_as_asked():
    run = loop.run(config(num_epochs=4, rows_every=2))
    assert list(run.history["epoch"]) == [0, 2, 4]
    assert run.history["test_accuracy"].notna().all()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rho": 0.1, "m": 5}, "m = 5: must be 0, a divisor of batch = 12"),
        ({"m": 4}, "m = 4: must be left at 0"),
        ({"rho": 0.1, "m": 12}, "m = 12: must be left out"),
        ({"rho": 0.1, "norm": "batch", "m": 1}, "m = 1: must be at least 2"),
        ({"sam_from": 1.0}, "sam_from = 1.0: must be left at 0.0"),
        ({"rho": 0.1, "sam_from": 2.0, "sam_until": 1.0}, "sam_until = 1.0: must be"),
        ({"rho": 0.1, "second_order": True, "ascent_steps": 2}, "second_order = True"),
        ({"rho": 0.1, "perturbed": "inputs", "m": 4}, "only SAM has it"),
        ({"perturbed": "random"}, "perturbed = 'random': must be left at"),
        ({"optimiser": "adabound", "weight_decay": 0.1}, "weight_decay = 0.1"),
        ({"measured": "report"}, "measured = 'report' with net = 'simple'"),
        ({"probes": 1}, "probes = 1: must be left at 2"),
        ({"label_noise": 0.95}, "label_noise"),
        ({"net": "vit"}, "norm = 'group' with net = 'vit'"),
    ],
)
def test_what_would_change_nothing_or_cannot_be_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        config(**fields)
