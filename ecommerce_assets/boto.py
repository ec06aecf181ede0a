"""boto3 clients, for jobs and orchestrator alike."""

import os
from typing import Any

ATTEMPTS = 8


def boto_client(service: str, attempts: int = ATTEMPTS, **options: Any) -> Any:
    """A boto3 client that retries throttling and server errors, in the region of AWS_REGION.

    boto3 is imported only here, since it is slow to load and not needed locally.

    Args:
        attempts: tries per call; 1 for calls that must not be repeated.
        options: further settings of botocore.
    """
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        user_agent_extra="ecommerce",
        **options,
    )
    return boto_session().client(service, config=config)


def boto_session() -> Any:
    """A session of boto3 in the region of AWS_REGION."""
    import boto3

    # Not the default session, which is not thread-safe; and boto3 does not read AWS_REGION, which
    # every other tool does.
    return boto3.session.Session(region_name=os.environ.get("AWS_REGION"))
