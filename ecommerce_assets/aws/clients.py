"""boto3 clients, S3 locations, and readable messages for AWS errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from ecommerce_assets.boto import boto_client, boto_session
from ecommerce_assets.errors import PipelineError

DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
UNKNOWN = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
}
# Of the person's sign-in: only the person can mend them. boto3 raises them in the middle of a run.
SIGN_IN = (CredentialRetrievalError, SSOError, TokenRetrievalError)
NOT_SET_UP = (NoCredentialsError, NoRegionError, PartialCredentialsError, *SIGN_IN)
THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
    "OperationTimeoutException",  # Glue's own errors, which have no 5xx status
}


class Unavailable(PipelineError):
    """AWS did not answer, or not now: the same call may succeed later."""


def client(service: str, **options: Any) -> Any:
    """A boto3 client, see `boto_client`.

    Raises:
        PipelineError: no region is configured.
    """
    with explained(f"connecting to {service}"):
        return boto_client(service, **options)


def credentials() -> dict[str, str]:
    """The credentials and the region that boto3 has, as pyiceberg's properties.

    Raises:
        NoCredentialsError: there are none.
    """
    session = boto_session()
    found = session.get_credentials()
    if found is None:
        raise NoCredentialsError
    frozen = found.get_frozen_credentials()
    given = {
        "client.access-key-id": frozen.access_key,
        "client.secret-access-key": frozen.secret_key,
        "client.session-token": frozen.token,
        "client.region": session.region_name,
    }
    return {name: value for name, value in given.items() if value}


def bucket_and_prefix(location: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`; the prefix without surrounding slashes."""
    parts = urlsplit(location)
    return parts.netloc, parts.path.strip("/")


def code_of(error: Exception) -> str:
    """The error code; empty without a response."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def may_be_retried(error: Exception) -> bool:
    """Whether the call may succeed later: after throttling, a server error, no connection."""
    if isinstance(error, NOT_SET_UP):
        return False
    if not isinstance(error, ClientError):
        return isinstance(error, BotoCoreError)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or code_of(error) in THROTTLED


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn AWS errors into one line that says what to do.

    Args:
        doing: what was being done, for the message.

    Raises:
        PipelineError: in place of any error of botocore; `Unavailable` if it may be retried.
    """
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise failed(doing, error) from error


def failed(doing: str, error: Exception) -> PipelineError:
    """The error of a call: one line that says what to do; `Unavailable` if it may be retried."""
    kind = Unavailable if may_be_retried(error) else PipelineError
    return kind(f"{doing}: {explain(error)}")


def explain(error: Exception) -> str:
    """The meaning of an AWS error, and what to do about it."""
    code = code_of(error)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return "no AWS credentials: sign in (`aws sso login`) or set AWS_PROFILE"
    if isinstance(error, SIGN_IN):
        return f"the sign-in to AWS has expired: sign in again (`aws sso login`). It said: {error}"
    if isinstance(error, NoRegionError):
        return "no AWS region: set AWS_REGION, or a region in your profile"
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return f"AWS does not answer ({error}): check AWS_REGION and the network"
    if code in EXPIRED:
        return "the AWS credentials have expired: sign in again"
    if code in UNKNOWN:
        return f"AWS rejected the credentials ({code}): check AWS_PROFILE"
    if code in DENIED:
        return f"access denied ({error}): attach Terraform's policy for this role to your identity"
    if code in {"NoSuchBucket", "404"}:
        return "there is no such bucket: apply Terraform, or check the name and AWS_REGION"
    if code == "PermanentRedirect":
        return "the bucket is in another region: set AWS_REGION to it"
    if code in THROTTLED:
        return f"AWS kept throttling ({code}): try again later"
    return str(error)
