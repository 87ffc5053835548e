"""Makes a bucket. Usage: make.py NAME"""

import os
import sys

import boto3

boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).create_bucket(Bucket=sys.argv[1])
