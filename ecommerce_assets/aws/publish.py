"""Publishing files on S3, by a link that needs no AWS account."""

from typing import Any

from botocore.exceptions import ClientError

from ecommerce_assets.aws.clients import bucket_and_prefix, client, explained

LINK_SECONDS = 7 * 24 * 3600  # S3's maximum; expiring credentials end it sooner
SHOWS = "shows"


def publish(location: str, content: bytes, content_type: str, shows: str) -> None:
    """Upload a file to `s3://bucket/key`.

    Args:
        shows: fingerprint of what it shows, kept in the object's metadata.

    Raises:
        PipelineError: S3 refuses it.
    """
    bucket, key = bucket_and_prefix(location)
    with explained(f"writing {location}"):
        _s3().put_object(
            Bucket=bucket, Key=key, Body=content, ContentType=content_type,
            Metadata={SHOWS: shows},
        )  # fmt: skip


def size_if_it(location: str, shows: str) -> int | None:
    """The size of the object at `s3://bucket/key`, if it shows just that.

    Raises:
        PipelineError: S3 refuses to tell.
    """
    bucket, key = bucket_and_prefix(location)
    with explained(f"looking at {location}"):
        try:
            found = _s3().head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            # Without the permission to list the bucket, S3 forbids to look at what is not there.
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "403"):
                return None
            raise
    return int(found["ContentLength"]) if found["Metadata"].get(SHOWS) == shows else None


def link_to(location: str) -> str:
    """A presigned link to `s3://bucket/key`.

    Raises:
        PipelineError: there is no such object, or it may not be read.
    """
    bucket, key = bucket_and_prefix(location)
    s3 = _s3()
    with explained(f"looking at {location}"):
        s3.head_object(Bucket=bucket, Key=key)
    link: str = s3.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=LINK_SECONDS
    )
    return link


def _s3() -> Any:
    # Only this signature version allows that long, and only with the region's host.
    return client("s3", signature_version="s3v4", s3={"addressing_style": "virtual"})
