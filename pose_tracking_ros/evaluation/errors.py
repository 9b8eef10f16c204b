"""What an evaluation cannot go on with."""


class EvaluationError(ValueError):
    """Ground truth, results or pictures cannot be used; names file, record and what is wrong."""
