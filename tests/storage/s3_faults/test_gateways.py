"""S3Store behind a gateway that answers in place of S3."""

from collections.abc import Callable

import pytest

from coin_pipeline.errors import StorageUnavailable
from coin_pipeline.storage.s3 import S3Store
from tests import faulty_s3
from tests.faulty_s3 import FaultyS3, Request
from tests.storage.s3_faults.conftest import LARGE, OPERATIONS, to, uploads

XHTML = "<html><head><title>Welcome</title></head></html>"
NOT_S3 = r"not from S3 .* correct AWS_ENDPOINT_URL"

GATEWAY_RESPONSES = {
    "not found": (faulty_s3.page(404), NOT_S3),
    "not found, in XML": (faulty_s3.page(404, XHTML), NOT_S3),
    "elsewhere": (faulty_s3.page(302), "it redirects|recursion"),
    "a page": (faulty_s3.page(200), f"{NOT_S3}|it returned 500"),  # how boto3 reads a success without S3's XML
    "a page in XML": (faulty_s3.page(200, XHTML), NOT_S3),
    "nothing": (faulty_s3.page(200, ""), NOT_S3),
}


@pytest.mark.parametrize("operation", sorted({*OPERATIONS} - {"delete"}))
@pytest.mark.parametrize("response", GATEWAY_RESPONSES)
def test_gateway_page_is_not_an_s3_response(
    store: S3Store, direct: S3Store, faulty: FaultyS3, response: str, operation: str
) -> None:
    """A page of a gateway neither deletes, returns nor stores an object."""
    assert not store.exists("new")
    fault, message = GATEWAY_RESPONSES[response]
    faulty.inject(fault)
    with pytest.raises(StorageUnavailable, match=message):
        OPERATIONS[operation](store)
    assert not direct.exists("new")
    faulty.heal()
    assert OPERATIONS[operation](store) == OPERATIONS[operation](direct)


def test_gateway_404_does_not_confirm_a_deletion(store: S3Store, direct: S3Store, faulty: FaultyS3) -> None:
    """A 404 from a gateway does not mean that the object is gone."""
    faulty.inject(faulty_s3.page(404))
    with pytest.raises(StorageUnavailable, match="not from S3"):
        store.delete("there")
    assert direct.exists("there")


@pytest.mark.parametrize("hits", [to("POST", "uploads"), to("PUT", "partNumber=2"), to("POST", "uploadId")])
@pytest.mark.parametrize("status", [200, 404])
def test_gateway_page_during_multipart_upload_stores_nothing(
    store: S3Store, direct: S3Store, faulty: FaultyS3, hits: Callable[[Request], bool], status: int
) -> None:
    """Every request must be answered by S3, or the upload fails and is aborted."""
    faulty.inject(faulty_s3.page(status), hits=hits)
    with pytest.raises(StorageUnavailable, match=f"{NOT_S3}|it returned 500"):
        store.put("new", bytes(LARGE))
    assert (direct.exists("new"), uploads(direct)) == (False, [])


def test_object_created_between_head_and_get_exists(store: S3Store, direct: S3Store, faulty: FaultyS3) -> None:
    """If HEAD fails and the GET that looks for the reason succeeds, the object has just been created."""
    faulty.inject(faulty_s3.page(404), times=1, hits=to("HEAD"))
    assert store.info("there") == direct.info("there")
