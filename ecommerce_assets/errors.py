"""The one error class whose message is meant for the person who runs the pipeline."""


class PipelineError(Exception):
    """Something the user can mend; the message says what was expected, what came, what to do.

    The command line prints it without a traceback; a Dagster step shows it as its failure.
    Faults of the code itself are never raised as this class, so they keep their traceback.
    """
