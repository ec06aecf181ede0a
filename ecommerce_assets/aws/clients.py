"""boto3 clients, S3 locations, and what AWS's errors mean for a person."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from ecommerce_assets.errors import PipelineError

ATTEMPTS = 8
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
UNKNOWN = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
}
THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
    "OperationTimeoutException",  # Glue's own, without a status of 500
}


def client(service: str, attempts: int = ATTEMPTS, **options: Any) -> Any:
    """A boto3 client that retries throttling and faults of the service.

    Args:
        attempts: tries of one call; 1 for a call that must not happen twice.
        options: more of botocore's settings of a client.

    Raises:
        PipelineError: no region is configured.
    """
    retries = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        user_agent_extra="ecommerce",
        **options,
    )
    with explained(f"connecting to {service}"):
        # A session of its own: the default one may not be used by several threads. boto3 does not
        # read AWS_REGION, which every other tool does.
        session = boto3.session.Session(region_name=os.environ.get("AWS_REGION"))
        return session.client(service, config=retries)


def bucket_and_prefix(location: str) -> tuple[str, str]:
    """The parts of `s3://bucket/prefix`; the prefix without slashes around it."""
    parts = urlsplit(location)
    return parts.netloc, parts.path.strip("/")


def code_of(error: Exception) -> str:
    """The service's code of an error; empty where the service did not answer."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def may_be_retried(error: Exception) -> bool:
    """Whether the same call may go through later: throttling, a fault there, no connection."""
    if isinstance(error, NoCredentialsError | NoRegionError | PartialCredentialsError):
        return False
    if not isinstance(error, ClientError):
        return isinstance(error, BotoCoreError)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or code_of(error) in THROTTLED


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn an error of AWS into one line that says what to do.

    Args:
        doing: what was being done, for the message.

    Raises:
        PipelineError: in the place of any error of botocore.
    """
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise PipelineError(f"{doing}: {explain(error)}") from error


def explain(error: Exception) -> str:
    """What an error of AWS means, and what to do about it."""
    code = code_of(error)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return "no AWS credentials: sign in (`aws sso login`) or set AWS_PROFILE"
    if isinstance(error, NoRegionError):
        return "no AWS region: set AWS_REGION, or a region in your profile"
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return f"AWS does not answer ({error}): check AWS_REGION and the network"
    if code in EXPIRED:
        return "the AWS credentials have expired: sign in again"
    if code in UNKNOWN:
        return f"AWS does not know these credentials ({code}): check AWS_PROFILE"
    if code in DENIED:
        return f"access denied ({error}): attach Terraform's policy for this role to your identity"
    if code in {"NoSuchBucket", "404"}:
        return "there is no such bucket: apply Terraform, or check the name and AWS_REGION"
    if code == "PermanentRedirect":
        return "the bucket is in another region: set AWS_REGION to it"
    if code in THROTTLED:
        return f"AWS kept throttling ({code}): try again later"
    return str(error)
