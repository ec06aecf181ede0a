"""Publishing files on S3, by a link that needs no AWS account."""

from ecommerce_assets.aws.clients import bucket_and_prefix, client, explained

LINK_SECONDS = 7 * 24 * 3600  # S3's maximum; expiring credentials end it sooner


def publish(location: str, content: bytes, content_type: str) -> str:
    """Upload a file to `s3://bucket/key`; returns a presigned link.

    Raises:
        PipelineError: S3 refuses it.
    """
    bucket, key = bucket_and_prefix(location)
    # Only this signature version allows that long, and only with the region's host.
    s3 = client("s3", signature_version="s3v4", s3={"addressing_style": "virtual"})
    with explained(f"writing {location}"):
        s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType=content_type)
        link: str = s3.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=LINK_SECONDS
        )
    return link
