"""Click models: LR, FM, Wide & Deep and DeepFM on one module of fields."""
