"""What a student takes from its teacher: embeddings, a user's best items, an item's best users."""

from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.draws import I32, transposed
from recpress_edge.models.method import Job
from recpress_edge.models.ranking import top_of_tables
from recpress_edge.models.teacher import Tables, Teacher


def teacher_of(job: Job) -> Teacher:
    """The job's teacher; the registry has made sure that there is one, and that it has what is needed."""
    assert job.teacher is not None
    return job.teacher


def teacher_tables(job: Job) -> Tables:
    """The teacher's embeddings."""
    return teacher_of(job).embeddings()


def teacher_lists(job: Job, size: int) -> I32:
    """Each user's best unobserved items (U, L ≤ size), best first, EMPTY where there are fewer."""
    return teacher_of(job).top_items(job.train, size).items


def teacher_user_lists(job: Job, size: int) -> I32:
    """Each item's best users of those without it (I, L ≤ size), best first, EMPTY past their end."""
    tables = teacher_of(job).product()
    return best_unobserved(Tables(tables.item_emb, tables.user_emb), transposed(job.train), size)


def best_unobserved(tables: Tables, train: Interactions, size: int) -> I32:
    """Each row's best columns outside ``train`` (N, L ≤ size), best first, EMPTY past their end."""
    return top_of_tables(tables, train, size).items
