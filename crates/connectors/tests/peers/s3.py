"""An S3 server (moto) with a bucket `plant`, which has Object Lock, and `plain`; prints its port.

With arguments FILE and POLICY every request must be signed by a user who has this policy; its
line ID:SECRET is written to the file.
"""
import sys
import threading

import boto3
import flask
import moto.iam.access_control as access
import moto.settings
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
keys = {"aws_access_key_id": "setup", "aws_secret_access_key": "setup", "region_name": "us-east-1"}
address = f"http://127.0.0.1:{port}"
s3 = boto3.client("s3", endpoint_url=address, **keys)
s3.create_bucket(Bucket="plant", ObjectLockEnabledForBucket=True)
s3.create_bucket(Bucket="plain")
if len(sys.argv) > 2:
    iam = boto3.client("iam", endpoint_url=address, **keys)
    iam.create_user(UserName="vault")
    iam.put_user_policy(UserName="vault", PolicyName="vault", PolicyDocument=sys.argv[2])
    key = iam.create_access_key(UserName="vault")["AccessKey"]
    with open(sys.argv[1], "w") as file:
        file.write(f"{key['AccessKeyId']}:{key['SecretAccessKey']}\n")
    plain = access.IAMRequestBase.check_signature

    def check_signature(request):
        # moto decodes the query before it checks the signature over it.
        query = flask.request.query_string.decode()
        request._path = request._path.split("?")[0] + ("?" + query if query else "")
        plain(request)

    access.IAMRequestBase.check_signature = check_signature
    moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
print(port, flush=True)
threading.Event().wait()
