"""The same gallery past one machine: people in collections of a Milvus server, or of Milvus Lite in a folder.

gallery.py     MilvusGallery: what `recog.gallery.Gallery` does, there
place.py       URI -> server or folder, token, collection, index
connection.py  pymilvus: calls that end in time, errors that say what to do
lite.py        folders of Milvus Lite
records.py     one small collection of JSON: people, thresholds, the model, the log
people.py      who is enrolled, in the records
chain.py       the audit log, in the records
vectors.py     templates and centres of one model
finding.py     from rows that Milvus finds to people
upkeep.py      soundness, mending, compaction
"""

from recog.gallery.milvus.gallery import MilvusGallery

__all__ = ["MilvusGallery"]
