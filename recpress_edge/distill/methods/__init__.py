"""The students: one module each, found by name through recpress_edge.distill.students."""
