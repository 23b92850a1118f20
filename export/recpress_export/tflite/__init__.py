"""TFLite files: graph to bytes, exact top-K, histories, traced networks."""
