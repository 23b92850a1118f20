"""A draft is asked its self-test before it is published, whatever filled it and whatever its gate said."""

import json

import pytest
from damage import resign
from exports import make_source
from updates import NO_GATE

from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ArtifactError
from recpress_export.package import export_bundle
from recpress_export.subjects.all_users import fill_all_users


def fill_with_other_answers(draft, *args, **kwargs):
    """The usual bundle, whose self-test states two items in the wrong order; every digest is right."""
    made = fill_all_users(draft, *args, **kwargs)
    path = draft / "selftest.json"
    stated = json.loads(path.read_text())
    stated["items"][0][:2] = stated["items"][0][1::-1]
    path.write_text(json.dumps(stated))
    resign(draft)
    return made


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("recipe", ["fp32", "int8-dim"])
def test_a_draft_that_fails_its_self_test_is_not_published(tmp_path, recipe, force):
    source, target = make_source(tmp_path / "model"), tmp_path / "dist" / "b"
    with pytest.raises(ArtifactError, match="self-test failed at user 0"):
        export_bundle(
            source, RECIPES[recipe], target, gate=NO_GATE, fill=fill_with_other_answers, force=force
        )
    assert not target.exists()
    assert list(target.parent.iterdir()) == []
