"""What a click model reads and how it is judged: fields of features, and metrics of rows with labels."""
