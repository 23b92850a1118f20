"""Names of models."""

import re
import subprocess
import sys

import numpy as np
import pytest
from small_data import two_tastes

from recpress_edge.core.errors import ConfigError
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import ModelName, check_pair, create_method, parse_name, teacher_name
from recpress_edge.models.method import Scorer, TrainingInput
from recpress_edge.models.outputs import Tables, Trajectory
from recpress_edge.models.teacher import Teacher
from recpress_edge.testing.student import untrained


@pytest.mark.parametrize(
    "text", ["bpr_dim200", "htd_dim10", "ftd_dim20", "soft_dim7", "soft_dim10_qat-int4-item"]
)
def test_names_decode_and_print_back(text):
    assert str(parse_name(text)) == text


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("htd10", "htd_dim10"),
        ("htd_10", "htd_dim10"),
        ("hdt_dim10", "htd_dim10"),
        ("sotf_dim32", "soft_dim32"),
    ],
)
def test_unknown_names_get_a_suggestion(text, suggestion):
    with pytest.raises(ConfigError, match=f"unknown student '{text}'. Did you mean '{suggestion}'"):
        parse_name(text)


@pytest.mark.parametrize("text", ["", "htd", "htd_dim0", "htd_dim-1", "htd_dim1e3", "htd_dim10 "])
def test_malformed_names_are_refused(text):
    with pytest.raises(ConfigError, match="unknown student"):
        parse_name(text)


def test_a_fine_tuned_model_knows_what_it_starts_from():
    name = parse_name("soft_dim10_qat-int8-dim")
    assert (name.method, name.dim, name.recipe) == ("soft", 10, "int8-dim")
    assert name.plain == parse_name("soft_dim10")
    assert name.plain.fine_tuned("int8-dim") == name
    with pytest.raises(ConfigError, match="is fine-tuned for int8-dim, not for int4-item"):
        name.fine_tuned("int4-item")
    with pytest.raises(ConfigError, match="Did you mean 'int4-item'"):
        parse_name("soft_dim10_qat-int4")
    with pytest.raises(ConfigError, match="unknown teacher"):
        parse_name("soft_dim10_qat-int8-dim", "teacher")


def test_huge_dim_is_refused():
    with pytest.raises(ConfigError, match="at most 4096"):
        parse_name("bpr_dim99999")


def test_a_distilled_method_is_no_teacher():
    with pytest.raises(
        ConfigError,
        match=r"unknown teacher 'htd_dim10'.*Known: adarec_dim10, ae_dim10, als_dim10, .*soft_dim10",
    ):
        parse_name("htd_dim10", "teacher")


@pytest.mark.parametrize(
    ("student", "asked", "expected"),
    [
        ("htd", None, "soft_dim200"),
        ("soft", None, "ensemble:soft_dim200+als_dim64+ease"),
        ("soft", "none", None),
        ("soft", "bpr_dim64", "bpr_dim64"),
        ("bpr", None, None),
        ("bpr", "none", None),
    ],
)
def test_teacher_of(student, asked, expected):
    assert teacher_name(ModelName(student, 10), asked) == expected


def test_large_data_have_a_teacher_that_grows_with_them():
    assert teacher_name(ModelName("soft", 10), None, 20_000) == "ensemble:soft_dim200+als_dim64+ease"
    assert teacher_name(ModelName("soft", 10), None, 20_001) == "als_dim400"
    assert teacher_name(ModelName("soft", 10), None, 100_001) == "als_dim200"
    assert teacher_name(ModelName("svd", 500), None, 20_001) == "als_dim500"  # no narrower than its student
    assert teacher_name(ModelName("soft", 10), "ease", 20_001) == "ease"
    assert teacher_name(ModelName("soft", 10), "ease", 20_001) == "ease"
    assert teacher_name(ModelName("htd", 10), None, 20_001) == "soft_dim200"


@pytest.mark.parametrize(("student", "asked"), [("bpr", "bpr_dim200"), ("htd", "none"), ("ftd", "none")])
def test_wrong_combinations_are_errors(student, asked):
    with pytest.raises(ConfigError, match="without a teacher"):
        teacher_name(ModelName(student, 10), asked)


@pytest.mark.parametrize(
    "method", [name for name, row in METHODS.items() if row.gives != "clicks" and not row.stages]
)
def test_every_registered_method_of_interactions_can_be_built(method):
    rng = np.random.default_rng(0)
    train = two_tastes().train
    tables = Tables(*(rng.standard_normal((n, 6), np.float32) for n in (60, 80)))
    stages = Trajectory(np.zeros((2, 60, 3), np.int32), np.zeros((2, len(train)), np.int32), (1, 2))
    noise = Teacher("noise", tables, trajectory=stages, sequence=untrained(train))
    job = TrainingInput(train, 4, 0, 2, noise, teachers=(noise,) * 2)
    built = create_method(method, job, METHODS[method].config())
    assert isinstance(built, Scorer)


def test_an_ensemble_is_its_members():
    name = parse_name("ensemble:bpr_dim200+ease", "teacher")
    assert [(m.method, m.dim) for m in name.members] == [("bpr", 200), ("ease", 0)]
    assert str(name) == "ensemble:bpr_dim200+ease"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ensemble:ease", "two members or more"),
        ("ensemble:ease+ease", "each once"),
        ("ensemble:ease+bqr_dim9", "unknown teacher 'bqr_dim9'. Did you mean 'bpr_dim9'"),
        ("ensemble", "unknown teacher"),
        ("ease_dim10", "unknown teacher 'ease_dim10'"),
        ("bpr", "unknown teacher 'bpr'"),
    ],
)
def test_teachers_that_cannot_be(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_name(text, "teacher")


@pytest.mark.parametrize("text", ["ease", "itemknn", "ensemble:bpr_dim200+ease"])
def test_a_model_without_tables_is_no_student_and_says_what_can_be_exported(text):
    with pytest.raises(ConfigError, match=r"cannot be exported. Distil one.*--teacher " + re.escape(text)):
        parse_name(text)


def test_a_pair_that_cannot_be_names_the_teachers_that_fit():
    student, teacher = parse_name("htd_dim10"), parse_name("ease", "teacher")
    with pytest.raises(
        ConfigError, match=r"ease has only rankings. Teachers that fit: .*bpr_dim200, .*soft_dim10"
    ):
        check_pair(student, teacher)
    check_pair(parse_name("soft_dim10"), teacher)


def test_names_are_read_without_torch():
    modules = "recpress_edge.distill.students, recpress_edge.training.ensure"
    code = f"import sys, {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("text", ["../htd_dim10", "work/models/bpr_dim6-s0-abcd6353", "bpr_dim6-s0-abcd6353"])
@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_folder_is_not_read_as_a_name_and_a_size(text, role):
    with pytest.raises(ConfigError, match="reads like a model's folder, and here a name is needed") as caught:
        parse_name(text, role)
    assert "dim6353" not in str(caught.value).replace(text, "")


def test_a_student_of_sequences_takes_a_teacher_that_scores_after_every_place():
    student = parse_name("lrh_dim16")
    check_pair(student, parse_name("sasrec_dim64", "teacher"))
    assert teacher_name(student, None) == "sasrec_dim64"
    assert teacher_name(student, "none") is None
    for other in ("ease", "bpr_dim20", "bert4rec_dim64", "lrh_dim16"):
        with pytest.raises(
            ConfigError,
            match=rf"scores after every place of a sequence, and {other} does not. "
            r"Teachers that fit: sasrec_dim200; --teacher none trains it alone",
        ):
            check_pair(student, parse_name(other, "teacher"))


def test_a_name_may_have_a_digit_within_a_word_and_none_at_its_end():
    assert parse_name("bert4rec_dim64", "teacher").method == "bert4rec"
    with pytest.raises(ConfigError, match="Did you mean 'htd_dim10'"):
        parse_name("htd10")
