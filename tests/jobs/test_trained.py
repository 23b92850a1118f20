"""What is said of trained models that a name does not stand for."""

from small_data import two_tastes

from recpress_edge.core.progress import silent
from recpress_edge.jobs.trained import tell_of_others
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions


def test_a_model_with_other_settings_is_named_where_another_is_to_be_trained(tmp_path):
    data, told = two_tastes(), []
    short = ModelRequest(name="bpr_dim4", options=TrainOptions(training={"epochs": 1}))
    made = ensure_model(short, data, tmp_path, silent)
    tell_of_others(short, data, tmp_path, told.append)
    assert not told  # it is the one that is asked for
    tell_of_others(ModelRequest(name="bpr_dim4"), data, tmp_path, told.append)
    assert [note.text for note in told] == [
        f"other      {made.folder} has other settings. To export it: --student {made.folder}"
    ]
    tell_of_others(ModelRequest(name="bpr_dim8"), data, tmp_path, told.append)
    assert len(told) == 1
