"""Every statement of the two talks and of the report is a claim, place by place.

A claim that goes, or is renamed, leaves a statement of a source without a verdict. The
entries follow the talks' own order. Slides of real networks and of open questions are
not among them.
"""

from itertools import chain

import pytest

from flatminima.claims.register import load

OPEN_PROBLEMS = {
    "Basic Paradigm of Deep Learning": {"its task": ["land-black-box"]},
    "Deep Learning in Practice is a Black Box": {"holdout data": ["land-black-box"]},
    "Black Box View is Insufficient for Generalization": {
        "minimisers differ in how they generalise": ["land-differ"],
        "descent with a tiny rate, descent, SGD": [
            *("small-lr-order-digits-gd", "small-lr-order-digits-sgd"),
            *("small-lr-order-cnn-gd", "small-lr-order-cnn-sgd"),
            *("small-lr-order-clusters-gd", "small-lr-order-clusters-sgd"),
        ],
    },
    "Implicit Regularization": {
        "limit of gradient descent": ["ls-printed", "ls-limit"],
        "regulariser": ["ls-regulariser"],
    },
    "Implicit Regularization for Non-linear Model": {
        "least nuclear norm": ["ms-nuclear", "ms-above", "ms-commuting"],
        "the survey is of deterministic flow": ["ls-survey"],
    },
    "Implicit Regularization, What is the role of large learning rate": {
        "large learning rates reduce sharpness": [
            "stab-larger-flatter",
            "small-lr-flatter-gd",
        ],
        "stochastic noise reduces sharpness": [
            "land-noise-trace",
            "small-lr-flatter-sgd",
        ],
    },
    "History and Intuition of Sharpness and Generalization": {
        "flatter is shorter": ["measures-flat-short"],
        "shorter generalises": ["measures-short-right"],
        "Keskar: large batches end sharp": [
            "stab-batch-lambda",
            "stab-batch-trace",
            "stab-batch-box",
            "stab-batch-error",
        ],
        "skip connections flatten": ["land-skips-picture", "land-depth-roughens"],
        "sharpness is a function of the Hessian": ["measures-function"],
    },
    "Large LR implies Flatness": {
        "linear stability": ["stab-repels"],
        "gradient descent finds flat minimisers, if it converges": [
            "stab-finds-flat",
            "stab-larger-flatter",
        ],
        "extension to SGD": [
            "stab-sgd",
            "stab-sufficient",
            "stab-input-smoothness",
        ],
    },
    "Gradient Noise implies Flatness": {
        "small rates, trained longer": ["small-lr-equal"],
        "the continuous limit": ["small-lr-svag"],
        "other than stability": ["small-lr-stability"],
        "the loss with noise on labels": ["label-noise-printed-loss"],
        "mini-batches do the same": ["label-noise-minibatch"],
        "label noise is easier": ["label-noise-easier"],
    },
    "Assumptions": {
        "a manifold of dimension D - n": ["manifold-dimension"],
        "attraction set": ["manifold-inside"],
        "mode connectivity": ["manifold-connected", "land-connected"],
        "maximal rank": ["manifold-rank"],
        "others assume the same": ["manifold-same-assumptions"],
        "why: overparametrisation": ["manifold-overparametrised"],
    },
    "Assumptions, a concrete example": {
        "other losses": ["manifold-other-loss"],
        "theorem on the example": ["manifold-theorem"],
        "Cooper's theorem": ["manifold-cooper"],
    },
    "Sharpness-reduction Flow": {
        "gradient flow phase": ["label-noise-phase-one", "label-noise-collapse-one"],
        "limiting flow phase": ["label-noise-phase-two", "label-noise-collapse-two"],
        "its constant": ["label-noise-constant"],
    },
    "Sharpness as a Generalization Bound": {
        "the line": ["pb-line", "errata-line", "errata-line-term"],
        "its reading as a trace": ["measures-pac-smooth"],
    },
    "Sharpness as a Generalization Predictor": {
        "epsilon-sharpness and the largest eigenvalue": ["measures-eps-smooth"],
        "epsilon-sharpness correlates": ["predictors-ball"],
        "PAC-Bayesian sharpness correlates": ["predictors-pac"],
        "a predictor should know symmetries": ["rescaling-aware"],
        "arbitrarily sharp and good": ["rescaling-homogeneity"],
        "not arbitrarily flat": ["rescaling-no-small"],
    },
    "Sharpness-Aware Minimization": {
        "the printed update": ["sam-printed"],
        "stop gradient": ["sam-stop"],
        "better by a flat solution": ["land-sam-trace", "land-sam-test"],
        "pictures of SAM and SGD": ["land-sam-picture"],
    },
    "Sharpness as A Regularizer": {
        "SAM improves ResNets": ["architectures-resnet"],
        "SAM improves ViT and Mixer": ["architectures-vit", "architectures-mixer"],
        "the trace escapes from bad minimisers": ["escape-penalty", "escape-noise"],
    },
    "Provable Generalization Benefit of Label Noise SGD": {
        "label noise recovers": ["label-noise-recovers"],
        "n above d": ["label-noise-many-examples"],
        "the manifold of the example": ["label-noise-interior", "manifold-own-labels"],
        "gradient": ["label-noise-gradient"],
        "trace": ["label-noise-trace-middle", "label-noise-trace-end"],
    },
    "Provable Generalization Benefit of SGD: Details": {
        "trace above the norm": ["label-noise-norm"],
        "least trace is least norm": ["label-noise-flow-optimum"],
        "disjoint supports": ["label-noise-supports", "label-noise-disjoint"],
        "sparse recovery as by LASSO": ["label-noise-flattest-recovers"],
    },
}
"""The talk `001`: slide, statement, and the claims that decide it."""

READING_GROUP = {
    "Context and motivation": {
        "generalisation has long been sought": ["land-long-sought"],
        "types of bad generalisation": ["land-kinds-of-bad"],
        "minima differ in how they generalise": ["land-differ-usual"],
        "flatter minima generalise better": ["predictors-flatter"],
        "arbitrarily sharp by scaling": ["rescaling-sharp"],
        "arbitrarily flat by scaling": ["rescaling-flat"],
        "SAM works in spite of it": [
            "rescaling-sam-flatter",
            "rescaling-sam-minimum",
            "rescaling-sam-accuracy",
        ],
    },
    "Sharpness": {
        "definition": ["measures-set"],
        "theorem": ["pb-foret"],
        "an increasing function": ["pb-foret-increasing"],
        "the bound is loose": ["pb-foret-loose"],
    },
    "Sharpness-aware minimization": {
        "the objective": ["sam-objective"],
        "one step to first order": ["sam-dual", "sam-inner"],
        "extragradient": ["sam-extragradient", "sam-plus-minus"],
    },
    "m-sharpness": {
        "batches change the update slightly": ["sam-m-slightly"],
        "the mean over groups": ["sam-m-constant"],
        "the update": ["sam-m-update"],
    },
    "Performance of SAM, its further uses": {
        "robustness to label noise": [
            *("noise-20", "noise-40", "noise-60", "noise-clean", "noise-grows"),
            *("noise-decay", "noise-equal-loss", "noise-stopped"),
        ],
        "fine-tuning": [
            *("noise-finetune", "noise-finetune-cost", "noise-finetune-whole"),
        ],
    },
    "Performance of SAM": {
        "Table 2, with SAM and without": [
            *("imagenet-table-better", "imagenet-table-better-top5"),
        ],
        "Table 2, longer training": ["imagenet-table-worse", "imagenet-table-falls"],
        "very easy to implement": ["imagenet-table-easy"],
        "good generalisation": ["imagenet-table-better"],
    },
    "Observations": {
        "lower m is better": [
            *("dn-1sam-msam", "dn-msam-nsam", "dn-1sam-nsam"),
            *("m-sharp-lower-m", "m-sharp-equal-radius", "m-sharp-small"),
        ],
        "more gradient iterations do not help": [
            *("sam-steps", "sam-steps-line"),
            *("m-sharp-precise", "m-sharp-precise-few"),
        ],
        "the second-order term does not help": ["sam-second-line", "m-sharp-second"],
    },
    "Challenging current understanding": {
        "flatter is not necessarily better": ["m-sharp-flatter-better"],
        "no radius ranks the methods right": ["m-sharp-no-radius"],
        "SAM and ERM are ranked right at one batch size": ["m-sharp-same-batch"],
    },
    "Generalization because of implicit bias": {
        "definition": ["dn-implicit-bias"],
        "least norm in linear regression": ["ls-from-zero"],
        "limit of gradient descent": ["dn-entropy-limit"],
        "Figure 5": ["dn-figure-small", "dn-figure-large"],
    },
    "Empirical results in Non-Linear Networks": {
        "sparse combinations": ["r1d-kinks"],
        "stable over initialisations": ["r1d-stable"],
    },
    "Additional results": {
        "a method at the beginning has little influence": ["switching-beginning"],
        "continuous in the time of switching": [
            "switching-continuous-sam",
            "switching-continuous-erm",
        ],
        "a connected valley": ["switching-valley"],
        "some directions generalise better": ["switching-directions"],
        "Figure 9: SAM escapes the worse minimum": ["switching-escape"],
        "Figure 9: gradually": ["switching-escape-gradual"],
    },
    "Discussion": {
        "a proxy for a deeper property": ["sam-proxy"],
        "adversarial training of weights": [
            *("sam-adversarial", "sam-random", "adversarial-weights"),
            *("adversarial-equal-length", "adversarial-tuned-random"),
        ],
        "flatness is not necessarily desirable": ["xor-flat-undesirable"],
    },
}
"""The talk `002`, in the same way."""

MINIMUM_SHARPNESS = {
    "I": {
        "adaptive ones generalise worse, after others": [
            "minimum-sharpness-ks-accuracy"
        ],
        "performance varies across tasks, after others": ["minimum-sharpness-order"],
        "flat minima tend to generalise better": ["predictors-flatter"],
        "sharp minima can generalise": ["rescaling-sharp"],
    },
    "II.A": {
        "the objective": ["sam-objective"],
        "its gradient": ["sam-dual", "sam-inner"],
        "SAM can generalise better": ["minimum-sharpness-accurate"],
    },
    "II.B": {
        "the trace is not invariant": ["rescaling-trace-varies"],
        "scaling leaves the function alone": ["rescaling-as-printed"],
        "and correlates less": ["minimum-sharpness-trace"],
        "the Hessian is heavy": ["minimum-sharpness-heavy"],
        "minimum sharpness is invariant": [
            *("minimum-sharpness-invariant", "rescaling-minimum-invariant"),
        ],
        "it correlates under shuffled labels": ["predictors-shuffled-pooled"],
        "gaps are similar here": ["minimum-sharpness-similar-gaps"],
    },
    "III.A": {
        "batch norm lets the loss fall": [
            *("minimum-sharpness-norm", "minimum-sharpness-norm-default"),
            "minimum-sharpness-norm-any",
        ],
        "defaults are as good as tuned rates": ["minimum-sharpness-tuning"],
        "descent over the scales": ["minimum-sharpness-procedure"],
    },
    "III.B": {
        "SAM generalises better everywhere": ["minimum-sharpness-accurate-every"],
        "SAM with PHB is mostly the best": ["minimum-sharpness-best"],
        "SAM is less sharp everywhere": ["minimum-sharpness-flat-every"],
        "the two notions are connected": [
            *("minimum-sharpness-connection", "minimum-sharpness-connection-plain"),
        ],
    },
    "III.C": {
        "tau on both data sets": [
            *("minimum-sharpness-tau", "minimum-sharpness-tau-cifar"),
        ],
        "p-values": ["minimum-sharpness-significant"],
        "almost linearly separable": ["minimum-sharpness-separable"],
        "larger on Fashion-MNIST": ["minimum-sharpness-tau-data"],
        "because it is simpler": ["minimum-sharpness-simpler"],
        "the path norm is alike": ["minimum-sharpness-path", "predictors-path"],
    },
    "III.D": {
        "the same order on both": ["minimum-sharpness-order"],
        "which order": ["minimum-sharpness-order-reported"],
        "tests on accuracy and sharpness": [
            *("minimum-sharpness-ks-accuracy", "minimum-sharpness-ks-sharpness"),
        ],
    },
}
"""The report `003`: section, statement, and claims. Section IV repeats them."""

STATEMENTS = [
    pytest.param(place, claims, id=f"{source}: {place}: {statement}")
    for source, places in (
        ("001", OPEN_PROBLEMS),
        ("002", READING_GROUP),
        ("003", MINIMUM_SHARPNESS),
    )
    for place, statements in places.items()
    for statement, claims in statements.items()
]


@pytest.mark.parametrize(("place", "claims"), STATEMENTS)
def test_every_statement_of_the_sources_has_its_claims(place, claims):
    _, known = load()
    assert claims
    gone = [claim for claim in claims if claim not in known]
    assert not gone, f"{place}: no claim is called {', '.join(gone)}"
    about = [known[claim].source for claim in claims]
    assert any(name in source for source in about for name in ("001", "002", "003"))


def test_every_claim_of_the_report_is_a_statement_of_it():
    """So that the list of its statements is whole."""
    _, known = load()
    listed = {
        claim
        for places in MINIMUM_SHARPNESS.values()
        for claims in places.values()
        for claim in claims
    }
    own = {
        claim.id
        for claim in known.values()
        if claim.chapter == "minimum-sharpness" and claim.origin == "source"
    }
    assert own <= listed


def test_what_no_run_decides_has_its_reason():
    _, known = load()
    named = chain.from_iterable(claims.values[1] for claims in STATEMENTS)
    untestable = [known[c] for c in named if known[c].rule.kind == "not testable"]
    assert untestable
    assert all(len((claim.rule.reason or "").split()) >= 4 for claim in untestable)
