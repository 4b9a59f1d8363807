"""What `cockpit models show` says of a network adds up to what the catalogue says of it."""

import pytest

from cockpit.engine.anatomy import dissect, stages
from nets import MODELS


@pytest.mark.parametrize("name", MODELS)
def test_the_stages_add_up_to_the_catalogue(name):
    spec = MODELS[name]
    parts = dissect(name, 10, depth=2)
    assert (parts[0].name, parts[0].shape, parts[0].params, parts[0].flops) == (name, (10,), spec.params, spec.flops)
    found = stages(parts)
    assert sum(stage.params for stage in found) == spec.params
    assert sum(stage.flops for stage in found) == spec.flops
    assert found[-1].shape == (10,)


def test_the_stages_of_a_resnet_are_those_of_its_paper():
    found = [(stage.name, stage.units, stage.shape) for stage in stages(dissect("resnet18", 100, depth=2))]
    assert found == [
        ("32 × 32", 3, (64, 32, 32)),  # the stem and two units, then two units each
        ("16 × 16", 2, (128, 16, 16)),
        ("8 × 8", 2, (256, 8, 8)),
        ("4 × 4", 2, (512, 4, 4)),
        ("vector", 1, (100,)),
    ]


def test_a_transformer_holds_its_class_token_and_positions_outside_its_units():
    own, patches, *blocks, head = stages(dissect("vit_xs", 10, depth=2))
    assert (own.name, own.params) == ("own", 192 + 65 * 192)
    assert patches.shape == (192, 8, 8)
    assert [(stage.name, stage.units) for stage in blocks] == [("65 tokens", 7)]
    assert head.shape == (10,)


def test_a_deeper_look_shows_the_parts_of_the_parts():
    shallow, deep = (dissect("mobilenetv1", 10, depth=depth) for depth in (1, 3))
    assert {part.name for part in shallow} < {part.name for part in deep}
    assert max(part.depth for part in deep) == 3
