"""IR-RRD: the order of the teacher's best items for a user, and of its best users for an item (response)."""

from recpress_edge.distill.draws import transposed
from recpress_edge.distill.methods.rrd import ListTerm, RankedLists, user_list_term
from recpress_edge.distill.ranking_config import IRRRDConfig
from recpress_edge.distill.sources import teacher_user_lists
from recpress_edge.distill.terms import DistilledBPR
from recpress_edge.models.method import Job


class IRRRD(DistilledBPR):
    """BPR beside both sides' lists.

    Kang et al., "Item-side ranking regularized distillation for recommender system", Inf. Sci. 2021.
    """

    def __init__(self, job: Job, config: IRRRDConfig) -> None:
        sharpness = None if config.deterministic else config.sharpness
        lists = RankedLists(transposed(job.train), teacher_user_lists(job, config.item_pool), sharpness)
        items = ListTerm(
            job, lists, config.item_weight, config.item_interesting, config.item_uninteresting, by_item=True
        )
        super().__init__(job, config, {"lists": user_list_term(job, config), "item_lists": items})
