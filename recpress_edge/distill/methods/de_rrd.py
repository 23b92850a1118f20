"""DE-RRD: the teacher's embeddings and the order of its best items (feature- and response-based)."""

from recpress_edge.distill.methods.de import ExpertTerm
from recpress_edge.distill.methods.rrd import user_list_term
from recpress_edge.distill.ranking_config import DERRDConfig
from recpress_edge.distill.sources import teacher_tables
from recpress_edge.distill.terms import DistilledBPR
from recpress_edge.models.method import Job


class DERRD(DistilledBPR):
    """BPR beside both terms (Kang et al., "DE-RRD", CIKM 2020)."""

    def __init__(self, job: Job, config: DERRDConfig) -> None:
        experts = ExpertTerm(job, teacher_tables(job), config.expert_weight, config.experts)
        super().__init__(job, config, {"experts": experts, "lists": user_list_term(job, config)})
