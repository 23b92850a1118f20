"""A draft is asked its self-test before it is published, whatever filled it and whatever its gate said."""

import json

import pytest
from damage import resign
from exports import NO_GATE, make_source

from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ArtifactError
from recpress_export.build import fill
from recpress_export.publish import publish
from recpress_export.ranking import silent
from recpress_export.subjects.all_users import AllUsers


def fill_with_other_answers(draft, subject, recipe, force):
    """The usual bundle, whose self-test states two items in the wrong order; every digest is right."""
    made = fill(draft, subject, recipe, NO_GATE, silent, force=force)
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
        publish(
            lambda draft: fill_with_other_answers(draft, AllUsers(source), RECIPES[recipe], force),
            target,
            force=force,
        )
    assert not target.exists()
    assert list(target.parent.iterdir()) == []
