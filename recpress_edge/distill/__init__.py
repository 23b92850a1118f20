"""Knowledge distillation: how a student learns from a teacher."""
