"""What is said of trained models that a name does not stand for."""

from small_data import two_tastes

from recpress_edge.core.progress import Note
from recpress_edge.jobs.trained import naming_others
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions


def made(work, name="bpr_dim4", **training):
    """The folder of a model, and the notes on the way to it."""
    data, events = two_tastes(), []
    request = ModelRequest(name=name, options=TrainOptions(training=training))
    tell = naming_others(request, data, work, events.append)
    folder = ensure_model(request, data, work, tell).folder
    return folder, [event.text for event in events if isinstance(event, Note)]


def test_a_model_with_other_settings_is_named_where_another_is_trained(tmp_path):
    short, told = made(tmp_path, epochs=1)
    assert not told
    assert made(tmp_path, epochs=1) == (short, [])  # it is the one that is asked for
    said = [f"other      {short} has other settings. To export it: --student {short}"]
    longer, told = made(tmp_path, epochs=2)
    assert (longer != short, told) == (True, said)
    assert made(tmp_path, epochs=2) == (longer, [])
    assert made(tmp_path, "bpr_dim8", epochs=1)[1] == []
