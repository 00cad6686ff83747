"""pynetdicom on both ends: an echo, a search, an object stored."""
import warnings

warnings.filterwarnings("ignore")

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import (PatientRootQueryRetrieveInformationModelFind as Find,
                                  SecondaryCaptureImageStorage as Capture, Verification)
from talk import SERVER, Log

PORT = 11112


def found(_):
    answer = Dataset()
    answer.QueryRetrieveLevel, answer.PatientID = "PATIENT", "4711"
    yield 0xFF00, answer


archive = AE(ae_title="ARCHIVE")
for context in (Verification, Find, Capture):
    archive.add_supported_context(context)
handlers = [(evt.EVT_C_FIND, found), (evt.EVT_C_STORE, lambda _: 0x0000)]
server = archive.start_server((SERVER, PORT), block=False, evt_handlers=handlers)
log = Log("dicom")

modality = AE(ae_title="MODALITY")
for context in (Verification, Find):
    modality.add_requested_context(context)
modality.add_requested_context(Capture, ExplicitVRLittleEndian)
association = modality.associate(SERVER, PORT, ae_title="ARCHIVE")
assert association.is_established
log.did("session")
log.count("dicom", "client", pdu=1)
log.count("dicom", "server", pdu=2)

assert association.send_c_echo().Status == 0
log.did("diagnose")
query = Dataset()
query.QueryRetrieveLevel, query.PatientID = "PATIENT", "*"
answers = [status.Status for status, _ in association.send_c_find(query, Find)]
assert answers == [0xFF00, 0], answers
log.did("browse")
image = Dataset()
image.SOPClassUID, image.SOPInstanceUID, image.PatientID = Capture, generate_uid(), "4711"
image.file_meta = FileMetaDataset()
image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
assert association.send_c_store(image).Status == 0
log.did("file")
# Command and data are fragments of their own: echo, search with its query, object.
log.count("dicom", "client", 5, pdu=4)
# The answers to echo and object, one found with its data, and the end of the search.
log.count("dicom", "server", 5, pdu=4)
association.release()
log.count("dicom", "client", pdu=5)
log.count("dicom", "server", pdu=6)
log.did("session")
log.fact("dicom_title", "MODALITY", of="client")
log.fact("dicom_title", "ARCHIVE")
server.shutdown()
log.close()
