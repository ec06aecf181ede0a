"""The recorder of what roles call."""

import boto3
from pyarrow.fs import FileType, S3FileSystem

from ecommerce_assets_tests.aws_stand_in import moto_server
from ecommerce_assets_tests.iam import OF_S3, REGION, Call, Recorder


def test_who_looks_for_what_is_missing_needs_to_list_the_bucket() -> None:
    """S3 answers "forbidden" otherwise, where moto says "missing"."""
    recorder = Recorder()
    with moto_server(recorder) as aws, recorder.acting_as("bronze"):
        keys = {"access_key": "testing", "secret_key": "testing", "region": REGION}
        files = S3FileSystem(endpoint_override=aws["AWS_ENDPOINT_URL"], **keys)
        s3 = boto3.client(
            "s3", endpoint_url=aws["AWS_ENDPOINT_URL"], region_name=REGION,
            aws_access_key_id="testing", aws_secret_access_key="testing",
        )  # fmt: skip
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="bucket", Key="there", Body=b"x")
        needs = Call("s3:ListBucket", f"{OF_S3}bucket")
        assert files.get_file_info("bucket/there").type == FileType.File
        assert needs not in recorder.calls["bronze"]
        assert files.get_file_info("bucket/missing").type == FileType.NotFound
        assert needs in recorder.calls["bronze"]
