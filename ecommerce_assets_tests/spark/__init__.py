"""What is Spark's own, and that both engines agree."""
