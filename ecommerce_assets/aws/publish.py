"""Files for people: put to S3, opened by a link that needs no AWS account."""

from ecommerce_assets.aws.clients import bucket_and_prefix, client, explained

LINK_SECONDS = 7 * 24 * 3600  # the longest that S3 signs for; credentials that expire end it sooner


def publish(location: str, content: bytes, content_type: str) -> str:
    """Put a file at `s3://bucket/key`; a presigned link to it.

    Raises:
        PipelineError: S3 refuses it.
    """
    bucket, key = bucket_and_prefix(location)
    # Only this scheme signs for so long, and only with the region's own host.
    s3 = client("s3", signature_version="s3v4", s3={"addressing_style": "virtual"})
    with explained(f"writing {location}"):
        s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType=content_type)
        link: str = s3.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=LINK_SECONDS
        )
    return link
