"""Every statement of the two talks is a claim, slide by slide.

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
    "Discussion": {
        "a proxy for a deeper property": ["sam-proxy"],
        "adversarial training of weights": ["sam-adversarial", "sam-random"],
        "flatness is not necessarily desirable": ["xor-flat-undesirable"],
    },
}
"""The talk `002`, in the same way."""

STATEMENTS = [
    pytest.param(slide, claims, id=f"{talk}: {slide}: {statement}")
    for talk, slides in (("001", OPEN_PROBLEMS), ("002", READING_GROUP))
    for slide, statements in slides.items()
    for statement, claims in statements.items()
]


@pytest.mark.parametrize(("slide", "claims"), STATEMENTS)
def test_every_statement_of_the_talks_has_its_claims(slide, claims):
    _, known = load()
    assert claims
    gone = [claim for claim in claims if claim not in known]
    assert not gone, f"{slide}: no claim is called {', '.join(gone)}"
    about = [known[claim].source for claim in claims]
    assert any("001" in source or "002" in source for source in about)


def test_what_no_run_decides_has_its_reason():
    _, known = load()
    named = chain.from_iterable(claims.values[1] for claims in STATEMENTS)
    untestable = [known[c] for c in named if known[c].rule.kind == "not testable"]
    assert untestable
    assert all(len((claim.rule.reason or "").split()) >= 4 for claim in untestable)
